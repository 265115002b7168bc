#include "search/cli/config_file.h"

#include <filesystem>

#include <fmt/format.h>
#include <toml++/toml.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "models/stored/atomic_file.h"

namespace mpsearch {
namespace {

std::string place(const std::string& path, const toml::source_region& region) {
  return fmt::format("{}, line {}, column {}", path, region.begin.line, region.begin.column);
}

toml::table parsed(const std::string& path) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) {
    throw Error(ErrorKind::Missing, {.what = "no configuration file '" + path + "'",
                                     .at = {},
                                     .why = "--config or MPSEARCH_CONFIG names it",
                                     .try_ = did_you_mean_file(path)});
  }
  const std::string text = read_whole_file(path);
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    throw Error(ErrorKind::BadContent, {.what = "not a TOML file",
                                        .at = place(path, error.source()),
                                        .why = std::string(error.description()),
                                        .try_ = {}});
  }
}

std::string value_text(const toml::node& node, const std::string& path, std::string_view key) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* integer = node.as_integer()) return std::to_string(integer->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  throw Error(ErrorKind::BadContent,
              {.what = fmt::format("'{}' has a value of an unusable type", key),
               .at = place(path, node.source()),
               .why = "an option is a text, a number, true or false, or a list of these",
               .try_ = {}});
}

std::vector<std::string> values_of(const toml::node& node, const std::string& path,
                                   std::string_view key) {
  std::vector<std::string> values;
  if (const toml::array* array = node.as_array()) {
    for (const toml::node& entry : *array) values.push_back(value_text(entry, path, key));
  } else {
    values.push_back(value_text(node, path, key));
  }
  return values;
}

const OptionSpec* find_option(const CommandSet& set, std::string_view name) {
  for (const OptionSpec& spec : set.options) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

[[noreturn]] void refuse_key(const CommandSet& set, std::string_view key, const std::string& at) {
  std::vector<std::string> names;
  for (const OptionSpec& spec : set.options) names.emplace_back(spec.name);
  for (const Verb& verb : set.verbs) names.emplace_back(verb.name);
  throw Error(ErrorKind::BadContent, {.what = fmt::format("unknown option '{}'", key),
                                      .at = at,
                                      .why = "keys are named as the flags, tables as the commands",
                                      .try_ = did_you_mean(key, names)});
}

void read_table(const CommandSet& set, const toml::table& table, std::string_view table_verb,
                std::string_view verb, const std::string& path, std::vector<ConfigEntry>& out) {
  for (const auto& [key, node] : table) {
    const std::string_view name = key.str();
    const std::string at = place(path, key.source());
    if (table_verb.empty() && node.is_table() && set.find(name) != nullptr) continue;
    const OptionSpec* spec = find_option(set, name);
    if (spec == nullptr || spec->name == "config") refuse_key(set, name, at);
    if (!table_verb.empty() && !belongs_to(*spec, table_verb)) {
      throw Error(ErrorKind::BadContent,
                  {.what = fmt::format("'{}' is no option of {}", name, table_verb),
                   .at = at,
                   .why = {},
                   .try_ = fmt::format("mpsearch {} --help", table_verb)});
    }
    std::vector<std::string> values = values_of(node, path, name);
    const bool concerns = table_verb.empty() || table_verb == verb;
    if (concerns && belongs_to(*spec, verb)) out.push_back({spec, std::move(values)});
  }
}

nlohmann::ordered_json schema_of(const OptionSpec& spec) {
  nlohmann::ordered_json value;
  if (spec.type == OptionType::Flag) {
    value["type"] = "boolean";
  } else if (spec.type == OptionType::Word) {
    value["enum"] = spec.words;
  } else if (spec.type == OptionType::Integer || spec.type == OptionType::Number) {
    value["type"] = spec.type == OptionType::Integer ? "integer" : "number";
    if (spec.low > -std::numeric_limits<float>::max()) {
      value[spec.above ? "exclusiveMinimum" : "minimum"] = spec.low;
    }
    if (spec.high != 0) value[spec.below ? "exclusiveMaximum" : "maximum"] = spec.high;
    if (!spec.words.empty()) {
      value = {{"anyOf", nlohmann::ordered_json::array({value, {{"enum", spec.words}}})}};
    }
  } else {
    value["type"] = "string";
  }
  if (spec.repeats) {
    value = {
        {"anyOf", nlohmann::ordered_json::array({value, {{"type", "array"}, {"items", value}}})}};
  }
  value["description"] = spec.help;
  return value;
}

}  // namespace

std::vector<ConfigEntry> read_config(const CommandSet& set, std::string_view verb,
                                     const std::string& path) {
  const toml::table table = parsed(path);
  std::vector<ConfigEntry> out;
  read_table(set, table, {}, verb, path, out);
  for (const auto& [key, node] : table) {
    if (!node.is_table() || set.find(key.str()) == nullptr) continue;
    read_table(set, *node.as_table(), key.str(), verb, path, out);
  }
  return out;
}

std::string config_schema(const CommandSet& set) {
  nlohmann::ordered_json general = nlohmann::ordered_json::object();
  for (const OptionSpec& spec : set.options) {
    if (spec.name != "config") general[std::string(spec.name)] = schema_of(spec);
  }
  nlohmann::ordered_json properties = general;
  for (const Verb& verb : set.verbs) {
    nlohmann::ordered_json own = nlohmann::ordered_json::object();
    for (const OptionSpec* spec : set.options_of(verb.name)) {
      if (spec->name != "config") own[std::string(spec->name)] = general[std::string(spec->name)];
    }
    nlohmann::ordered_json entry{
        {"type", "object"}, {"properties", own}, {"additionalProperties", false}};
    const std::string name(verb.name);
    // A word that is both an option and a command (--train, train) may be either.
    if (general.contains(name)) {
      properties[name] = {{"anyOf", nlohmann::ordered_json::array({general[name], entry})}};
    } else {
      properties[name] = entry;
    }
  }
  const nlohmann::ordered_json schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                                      {"title", "mpsearch --config file"},
                                      {"type", "object"},
                                      {"properties", properties},
                                      {"additionalProperties", false}};
  return schema.dump(2) + "\n";
}

}  // namespace mpsearch
