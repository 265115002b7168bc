#include <fmt/format.h>
#include <google/protobuf/descriptor.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "models/stored/identity.h"
#include "models/stored/message_json.h"

namespace mpsearch {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using nlohmann::json;

constexpr int kGreatestDepth = 16;  // of the deepest schema: 4

[[noreturn]] void refuse(const std::string& what, const std::string& origin, const std::string& why,
                         const std::string& try_ = {}) {
  throw Error(ErrorKind::BadContent, {.what = what, .at = origin, .why = why, .try_ = try_});
}

std::vector<std::string> field_names(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

/// What a value is, short enough for one line.
std::string shown(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 40) text = text.substr(0, 37) + "...";
  return text;
}

class Reader {
 public:
  Reader(std::string origin, JsonTolerance tolerance, std::vector<std::string>& warnings)
      : origin_(std::move(origin)), tolerance_(tolerance), warnings_(warnings) {}

  void read(const json& object, Message& message, const std::string& path) {
    if (!object.is_object()) fail(path, "an object", object);
    const Descriptor& type = *message.GetDescriptor();
    for (const auto& [key, value] : object.items()) {
      const FieldDescriptor* field = type.FindFieldByName(key);
      if (field != nullptr) {
        read_field(value, *field, message, join(path, key));
      } else {
        refuse_unknown(join(path, key), key, type);
      }
    }
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (tolerance_.missing_keys || field.has_optional_keyword()) continue;
      if (field.real_containing_oneof() != nullptr || object.contains(field.name())) continue;
      refuse("a key is missing", origin_, join(path, field.name()));
    }
    for (int i = 0; i < type.real_oneof_decl_count(); ++i) {
      if (object.size() == 1) continue;
      refuse("not exactly one of the possible keys", origin_, path.empty() ? "object" : path);
    }
  }

 private:
  static std::string join(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }

  [[noreturn]] void fail(const std::string& path, std::string_view expected, const json& got) {
    refuse("a value of the wrong type", origin_,
           fmt::format("{}: expected {}, got {}", path.empty() ? "document" : path, expected,
                       shown(got)));
  }

  void refuse_unknown(const std::string& path, const std::string& key, const Descriptor& type) {
    if (!tolerance_.unknown_keys) {
      refuse("unknown key", origin_, path, did_you_mean(key, field_names(type)));
    }
    warnings_.push_back(
        fmt::format("{}: {} is of a newer mpsearch and was ignored", origin_, path));
  }

  void read_field(const json& value, const FieldDescriptor& field, Message& message,
                  const std::string& path) {
    if (!field.is_repeated()) {
      if (value.is_null() && field.has_optional_keyword()) return;
      read_value(value, field, message, path);
      return;
    }
    if (!value.is_array()) fail(path, "a list", value);
    if (value.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
      refuse("a list is too long", origin_, path);
    }
    std::size_t index = 0;
    for (const json& element : value) {
      read_value(element, field, message, fmt::format("{}[{}]", path, index++));
    }
  }

  void read_value(const json& value, const FieldDescriptor& field, Message& message,
                  const std::string& path) {
    const Reflection& access = *message.GetReflection();
    const bool list = field.is_repeated();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64: {
        const std::int64_t number = integer<std::int64_t>(value, path);
        list ? access.AddInt64(&message, &field, number)
             : access.SetInt64(&message, &field, number);
        return;
      }
      case FieldDescriptor::CPPTYPE_STRING: {
        if (!value.is_string()) fail(path, "a text", value);
        const auto& text = value.get_ref<const std::string&>();
        list ? access.AddString(&message, &field, text) : access.SetString(&message, &field, text);
        return;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return read(
            value,
            list ? *access.AddMessage(&message, &field) : *access.MutableMessage(&message, &field),
            path);
      case FieldDescriptor::CPPTYPE_UINT64:
        return access.SetUInt64(&message, &field, integer<std::uint64_t>(value, path));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return access.SetDouble(&message, &field, number(value, path));
      case FieldDescriptor::CPPTYPE_BOOL:
        if (!value.is_boolean()) fail(path, "true or false", value);
        return access.SetBool(&message, &field, value.get<bool>());
      case FieldDescriptor::CPPTYPE_ENUM:
        return access.SetEnumValue(&message, &field, enumerator(value, field, path));
      default:
        require(false, ErrorKind::Internal, "a schema uses a type without a JSON form");
    }
  }

  template <typename Integer>
  Integer integer(const json& value, const std::string& path) {
    if (!value.is_number_integer()) fail(path, "an integer", value);
    const bool fits = value.is_number_unsigned()
                          ? std::in_range<Integer>(value.get<std::uint64_t>())
                          : std::in_range<Integer>(value.get<std::int64_t>());
    if (!fits) fail(path, "an integer in range", value);
    return value.get<Integer>();
  }

  double number(const json& value, const std::string& path) {
    if (value.is_number()) return value.get<double>();
    if (value == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (value == "Infinity") return std::numeric_limits<double>::infinity();
    if (value == "-Infinity") return -std::numeric_limits<double>::infinity();
    fail(path, "a number", value);
  }

  int enumerator(const json& value, const FieldDescriptor& field, const std::string& path) {
    const auto& type = *field.enum_type();
    std::vector<std::string> names;
    for (int i = 0; i < type.value_count(); ++i) {
      names.push_back(type.value(i)->name());
      if (value == names.back()) return type.value(i)->number();
    }
    const std::string near = value.is_string() ? did_you_mean(value.get<std::string>(), names) : "";
    refuse(
        "an unknown name", origin_,
        fmt::format("{}: expected one of {}, got {}", path, fmt::join(names, ", "), shown(value)),
        near);
  }

  std::string origin_;
  JsonTolerance tolerance_;
  std::vector<std::string>& warnings_;
};

/// The text's value; refuses repeated keys and hostile depth, which a parser lets pass.
json parse(const std::string& text, const std::string& origin) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kGreatestDepth) refuse("not a document of mpsearch", origin, "nested too deeply");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second) refuse("a key is given twice", origin, key);
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& error) {
    std::string why = error.what();  // "[json.exception.parse_error.101] parse error at ..."
    if (const std::size_t at = why.find("] "); at != std::string::npos) why.erase(0, at + 2);
    refuse("not a complete JSON document", origin, why,
           "a copy that is whole, or the command that wrote it again");
  }
}

/// Checks what a document says of itself, and the tolerance that follows. Where it says nothing:
/// strict, so that reading goes on to name what is missing.
JsonTolerance tolerance_of(const json& document, const std::string& origin,
                           const std::string& format) {
  if (!document.is_object()) return {};
  if (document.contains("format") && document["format"] != format) {
    refuse("the file is no " + format, origin, "its format is " + shown(document["format"]));
  }
  const json version = document.value("schema_version", json());
  if (!version.is_object()) return {};
  const json major = version.value("major", json()), minor = version.value("minor", json());
  if (!major.is_number_integer() || !minor.is_number_integer()) return {};
  if (major != kSchemaMajor) {
    refuse("the file was written by another version of mpsearch", origin,
           fmt::format("its schema version is {}.{}, this program reads {}.x", major.dump(),
                       minor.dump(), kSchemaMajor),
           major > kSchemaMajor ? "upgrade mpsearch" : "write the file again with this version");
  }
  return {.unknown_keys = minor > kSchemaMinor, .missing_keys = minor < kSchemaMinor};
}

}  // namespace

void document_from_json(const std::string& text, const std::string& origin,
                        const std::string& format, Message& message,
                        std::vector<std::string>& warnings) {
  const json document = parse(text, origin);
  Reader(origin, tolerance_of(document, origin, format), warnings).read(document, message, {});
}

void line_from_json(const std::string& text, const std::string& origin, const std::string& format,
                    JsonTolerance& tolerance, Message& message,
                    std::vector<std::string>& warnings) {
  const json document = parse(text, origin);
  if (document.is_object() && document.contains("header")) {
    tolerance = tolerance_of(document["header"], origin, format);
  }
  Reader(origin, tolerance, warnings).read(document, message, {});
}

}  // namespace mpsearch
