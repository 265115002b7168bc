// JSON of a Protobuf message by its schema: numbers as numbers, names as in the schema, every
// field. Internal to models/stored: the one writer and the one reader.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

namespace mpsearch {

enum class JsonLines : std::uint8_t {
  Document,  // a line for each field; list entries without nested messages on one line
  One,       // everything on one line
};

/// Equal messages give equal text; doubles are the shortest that read back as the same number, or
/// "NaN", "Infinity", "-Infinity". An absent optional field is null, the absent members of a oneof
/// are left out.
std::string message_to_json(const google::protobuf::Message& message, JsonLines lines);

/// What a reader lets pass. A newer minor version may bring unknown keys (each a warning); an older
/// one may lack keys; the same version may do neither.
struct JsonTolerance {
  bool unknown_keys = false;
  bool missing_keys = false;
};

/// Fills an empty message from a document whose key `format` must say `format`. Throws BadContent
/// at `origin`, with the path of the offending key. A newer major `schema_version` is refused.
void document_from_json(const std::string& text, const std::string& origin,
                        const std::string& format, google::protobuf::Message& message,
                        std::vector<std::string>& warnings);

/// Fills an empty message from a line of a log. A line with the key `header` decides the tolerance
/// of itself and of those that follow, as a document does.
void line_from_json(const std::string& text, const std::string& origin, const std::string& format,
                    JsonTolerance& tolerance, google::protobuf::Message& message,
                    std::vector<std::string>& warnings);

}  // namespace mpsearch
