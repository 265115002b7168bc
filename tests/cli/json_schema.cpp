#include "tests/cli/json_schema.h"

#include <nlohmann/json.hpp>

#include "tests/cli/run_command.h"

namespace mpsearch::test {
namespace {

using nlohmann::json;

bool has_type(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  return type == "null" && value.is_null();
}

std::string departure(const json& value, const json& schema, const std::string& at);

std::string of_type(const json& value, const json& type, const std::string& at) {
  for (const json& one : type.is_array() ? type : json::array({type})) {
    if (has_type(value, one)) return {};
  }
  return at + " is not of type " + type.dump();
}

std::string of_properties(const json& value, const json& schema, const std::string& at) {
  if (!value.is_object()) return {};
  const json properties = schema.value("properties", json::object());
  for (const auto& [key, member] : value.items()) {
    std::string found;
    if (properties.contains(key)) {
      found = departure(member, properties[key], at + "." + key);
    } else if (schema.contains("additionalProperties")) {
      found = departure(member, schema["additionalProperties"], at + "." + key);
    }
    if (!found.empty()) return found;
  }
  return {};
}

std::string of_any(const json& value, const json& schemas, const std::string& at) {
  std::string all;
  for (const json& schema : schemas) {
    const std::string found = departure(value, schema, at);
    if (found.empty()) return {};
    all += (all.empty() ? "" : "; ") + found;
  }
  return all;
}

std::string keyword(const std::string& name, const json& value, const json& schema,
                    const std::string& at) {
  const json& argument = schema[name];
  if (name == "type") return of_type(value, argument, at);
  if (name == "const") return value == argument ? "" : at + " is not " + argument.dump();
  if (name == "anyOf") return of_any(value, argument, at);
  if (name == "properties") return of_properties(value, schema, at);
  if (name == "enum") {
    const bool among = std::find(argument.begin(), argument.end(), value) != argument.end();
    return among ? "" : at + " is not among " + argument.dump();
  }
  if (name == "required") {
    for (const std::string key : argument) {
      if (value.is_object() && !value.contains(key)) return at + " lacks " + key;
    }
    return {};
  }
  if (name == "items") {
    for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) {
      const std::string found = departure(value[i], argument, at + "[" + std::to_string(i) + "]");
      if (!found.empty()) return found;
    }
    return {};
  }
  if (name == "additionalProperties") {
    return schema.contains("properties") ? "" : of_properties(value, schema, at);
  }
  if (name == "$schema" || name == "title" || name == "description") return {};
  return "unknown keyword " + name;
}

std::string departure(const json& value, const json& schema, const std::string& at) {
  for (const auto& [name, argument] : schema.items()) {
    const std::string found = keyword(name, value, schema, at);
    if (!found.empty()) return found;
  }
  return {};
}

}  // namespace

std::string departure_from_schema(const std::string& text, const std::string& name) {
  const json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return "no JSON: " + text.substr(0, 200);
  const std::string path = std::string(MPSEARCH_SOURCE_DIR "/docs/schemas/") + name;
  return departure(value, json::parse(read_text(path + ".schema.json")), name);
}

}  // namespace mpsearch::test
