#include "models/onnx/wire.h"

#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/error.h"

namespace mpsearch {
namespace {

// Field numbers of onnx.proto.
constexpr std::uint32_t kModelGraph = 7;
constexpr std::uint32_t kGraphInitializer = 5;
constexpr std::uint32_t kTensorFloatData = 4;
constexpr std::uint32_t kTensorInt32Data = 5;
constexpr std::uint32_t kTensorStringData = 6;
constexpr std::uint32_t kTensorInt64Data = 7;
constexpr std::uint32_t kTensorRawData = 9;
constexpr std::uint32_t kTensorDoubleData = 10;
constexpr std::uint32_t kTensorUint64Data = 11;

enum Wire : std::uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

using Span = std::span<const std::byte>;

struct Field {
  std::uint32_t number = 0;
  std::uint32_t wire = 0;
  Span whole;    // with its tag
  Span content;  // of a length-delimited field
};

/// Reads one message's fields in order.
class Message {
 public:
  Message(Span bytes, Span file, const std::string& file_name, const char* name)
      : rest_(bytes), file_(file), file_name_(file_name), name_(name) {}

  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const Span start = rest_;
    Field field;
    const std::uint64_t tag = varint("tag");
    field.number = static_cast<std::uint32_t>(tag >> 3);
    field.wire = static_cast<std::uint32_t>(tag & 7);
    if (field.number == 0 || tag > UINT32_MAX) fail("a field number that cannot be");
    const std::string label = "field " + std::to_string(field.number);
    switch (field.wire) {
      case kVarint:
        varint(label);
        break;
      case kFixed64:
        take(8, label);
        break;
      case kFixed32:
        take(4, label);
        break;
      case kBytes:
        field.content = take(varint(label), label);
        break;
      default:
        fail(label + " of wire type " + std::to_string(field.wire) + ", which cannot be");
    }
    field.whole = start.first(start.size() - rest_.size());
    return field;
  }

 private:
  Span take(std::uint64_t size, const std::string& label) {
    if (size > rest_.size()) {
      fail(label + " claims " + std::to_string(size) + " bytes, " + std::to_string(rest_.size()) +
           " are left");
    }
    const Span taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  std::uint64_t varint(const std::string& label) {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (rest_.empty()) fail(label + " ends within a number");
      const auto byte = std::to_integer<std::uint64_t>(rest_.front());
      rest_ = rest_.subspan(1);
      if (shift < 64) value |= (byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail(label + " holds a number of more than ten bytes");
  }

  [[noreturn]] void fail(const std::string& why) const {
    const auto offset =
        rest_.empty() ? file_.size() : static_cast<std::size_t>(rest_.data() - file_.data());
    throw Error(ErrorKind::BadContent, {.what = "'" + file_name_ + "' is not a complete ONNX file",
                                        .at = file_name_ + ", byte " + std::to_string(offset) +
                                              " of " + std::to_string(file_.size()) + ", " + name_,
                                        .why = why,
                                        .try_ = "copy or export the file again"});
  }

  Span rest_;
  Span file_;
  const std::string& file_name_;
  const char* name_;
};

void append(std::string& to, Span bytes) {
  to.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void append_message(std::string& to, std::uint32_t number, std::string_view content) {
  const auto varint = [&](std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>((value & 0x7F) | 0x80));
    to.push_back(static_cast<char>(value));
  };
  varint(number << 3 | kBytes);
  varint(content.size());
  to += content;
}

/// Whether a tensor's field holds elements, and whether their bytes are the elements themselves.
bool is_payload(std::uint32_t number) {
  return number == kTensorFloatData || number == kTensorInt32Data || number == kTensorStringData ||
         number == kTensorInt64Data || number == kTensorRawData || number == kTensorDoubleData ||
         number == kTensorUint64Data;
}
bool is_plain(const Field& field) {
  return field.wire == kBytes &&
         (field.number == kTensorRawData || field.number == kTensorFloatData ||
          field.number == kTensorDoubleData);
}

struct Walk {
  Span file;
  const std::string& name;
  WireModel& model;

  /// The tensor without its payload where that is large and in one piece.
  void initializer(std::string& graph, const Field& whole) {
    Message message(whole.content, file, name, "initializer");
    std::string kept;
    std::optional<Field> payload;
    int payloads = 0;
    while (const std::optional<Field> field = message.next()) {
      const bool large = is_plain(*field) && field->content.size() >= kInlinePayload;
      payloads += is_payload(field->number) ? 1 : 0;
      if (large) {
        payload = field;
      } else {
        append(kept, field->whole);
      }
    }
    if (payload.has_value() && payloads == 1) {
      append_message(graph, kGraphInitializer, kept);
      model.payloads.push_back(payload->content);
    } else {
      append(graph, whole.whole);
      model.payloads.emplace_back();
    }
  }

  void graph(const Field& whole) {
    Message message(whole.content, file, name, "graph");
    std::string kept;
    while (const std::optional<Field> field = message.next()) {
      if (field->number == kGraphInitializer && field->wire == kBytes) {
        initializer(kept, *field);
      } else {
        append(kept, field->whole);
      }
    }
    append_message(model.skeleton, kModelGraph, kept);
  }
};

}  // namespace

WireModel read_wire(std::span<const std::byte> file, const std::string& name) {
  WireModel model;
  Walk walk{file, name, model};
  Message message(file, file, name, "model");
  while (const std::optional<Field> field = message.next()) {
    if (field->number == kModelGraph && field->wire == kBytes) {
      walk.graph(*field);
    } else {
      append(model.skeleton, field->whole);
    }
  }
  return model;
}

}  // namespace mpsearch
