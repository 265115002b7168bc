// Attributes of a node: a small sorted list of named, typed constants. Shared by graph and kernels.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace mpsearch {

using Attribute =
    std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>>;

class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, Attribute>> entries);

  void set(std::string_view name, Attribute value);
  bool has(std::string_view name) const { return find(name) != nullptr; }

  /// The value, or `otherwise` where the attribute is absent. Throws Internal on another type.
  std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  double number(std::string_view name, double otherwise) const;
  std::string text(std::string_view name, std::string_view otherwise) const;
  std::vector<std::int64_t> integers(std::string_view name) const;  // empty where absent
  std::vector<double> numbers(std::string_view name) const;         // empty where absent

  const std::vector<std::pair<std::string, Attribute>>& entries() const { return entries_; }
  bool operator==(const Attributes&) const = default;

 private:
  const Attribute* find(std::string_view name) const;

  std::vector<std::pair<std::string, Attribute>> entries_;  // sorted by name
};

/// "axis=1,eps=1e-05": every entry, sorted by name; part of a kernel's key.
std::string to_string(const Attributes& attributes);

}  // namespace mpsearch
