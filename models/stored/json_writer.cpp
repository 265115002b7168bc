#include <google/protobuf/descriptor.h>

#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "models/stored/message_json.h"

namespace mpsearch {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void append_string(std::string& out, const std::string& text) {
  // Names come from other programs' files: what is no UTF-8 is shown as U+FFFD.
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

template <typename Number>
void append_number(std::string& out, Number value) {
  std::array<char, 32> text;
  const auto [end, code] = std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), end);
}

void append_double(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    append_number(out, value);
  }
}

class Writer {
 public:
  explicit Writer(JsonLines lines) : lines_(lines) {}

  std::string text() && { return std::move(out_); }

  void object(const Message& message, int depth) {
    const auto* type = message.GetDescriptor();
    const bool one_line = on_one_line(message, depth);
    bool first = true;
    out_ += '{';
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const bool absent =
          field->has_presence() && !message.GetReflection()->HasField(message, field);
      if (absent && field->real_containing_oneof() != nullptr) continue;
      separate(first, one_line, depth + 1);
      append_string(out_, field->name());
      out_ += ": ";
      if (absent && field->has_optional_keyword()) {
        out_ += "null";
      } else if (field->is_repeated()) {
        list(message, *field, depth + 1);
      } else {
        value(message, *field, depth + 1);
      }
    }
    close(first, one_line, depth, '}');
  }

 private:
  void list(const Message& message, const FieldDescriptor& field, int depth) {
    const int size = message.GetReflection()->FieldSize(message, &field);
    const bool one_line =
        lines_ == JsonLines::One || field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
    bool first = true;
    out_ += '[';
    for (int i = 0; i < size; ++i) {
      separate(first, one_line, depth + 1);
      element(message, field, i, depth + 1);
    }
    close(first, one_line, depth, ']');
  }

  void element(const Message& message, const FieldDescriptor& field, int index, int depth) {
    const Reflection& access = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64:
        return append_number(out_, access.GetRepeatedInt64(message, &field, index));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return append_double(out_, access.GetRepeatedDouble(message, &field, index));
      case FieldDescriptor::CPPTYPE_STRING:
        return append_string(out_, access.GetRepeatedString(message, &field, index));
      default:
        return object(access.GetRepeatedMessage(message, &field, index), depth);
    }
  }

  void value(const Message& message, const FieldDescriptor& field, int depth) {
    const Reflection& access = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64:
        return append_number(out_, access.GetInt64(message, &field));
      case FieldDescriptor::CPPTYPE_UINT64:
        return append_number(out_, access.GetUInt64(message, &field));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return append_double(out_, access.GetDouble(message, &field));
      case FieldDescriptor::CPPTYPE_BOOL:
        out_ += access.GetBool(message, &field) ? "true" : "false";
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        return append_string(out_, access.GetEnum(message, &field)->name());
      case FieldDescriptor::CPPTYPE_STRING:
        return append_string(out_, access.GetString(message, &field));
      default:
        return object(access.GetMessage(message, &field), depth);
    }
  }

  /// Entries of lists, and messages that hold nothing but scalars, are lines of a table.
  bool on_one_line(const Message& message, int depth) const {
    if (lines_ == JsonLines::One) return true;
    if (depth == 0) return false;
    const auto* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const bool nested = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
      if (nested && (field->is_repeated() || !field->has_optional_keyword())) return false;
    }
    return true;
  }

  void separate(bool& first, bool one_line, int depth) {
    if (!first) out_ += one_line ? ", " : ",";
    if (!one_line) indent(depth);
    first = false;
  }
  void close(bool empty, bool one_line, int depth, char bracket) {
    if (!one_line && !empty) indent(depth);
    out_ += bracket;
  }
  void indent(int depth) { (out_ += '\n').append(static_cast<std::size_t>(depth) * 2, ' '); }

  JsonLines lines_;
  std::string out_;
};

}  // namespace

std::string message_to_json(const Message& message, JsonLines lines) {
  Writer writer(lines);
  writer.object(message, 0);
  return std::move(writer).text() + "\n";
}

}  // namespace mpsearch
