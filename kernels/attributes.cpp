#include "kernels/attributes.h"

#include <algorithm>
#include <charconv>

#include "kernels/error.h"

namespace mpsearch {
namespace {

template <class T>
const T& as(const Attribute& attribute, std::string_view name) {
  const T* value = std::get_if<T>(&attribute);
  require(value != nullptr, ErrorKind::Internal,
          "attribute '" + std::string(name) + "' is read as another type than it has");
  return *value;
}

std::string shortest(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

struct Printer {
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return shortest(value); }
  std::string operator()(const std::string& value) const { return value; }
  template <class T>
  std::string operator()(const std::vector<T>& values) const {
    std::string text = "[";
    for (const T& value : values) text += (text.size() > 1 ? " " : "") + (*this)(value);
    return text + "]";
  }
};

}  // namespace

Attributes::Attributes(std::initializer_list<std::pair<std::string, Attribute>> entries) {
  for (const auto& [name, value] : entries) set(name, value);
}

void Attributes::set(std::string_view name, Attribute value) {
  const auto place =
      std::lower_bound(entries_.begin(), entries_.end(), name,
                       [](const auto& entry, std::string_view key) { return entry.first < key; });
  if (place != entries_.end() && place->first == name) {
    place->second = std::move(value);
  } else {
    entries_.emplace(place, std::string(name), std::move(value));
  }
}

const Attribute* Attributes::find(std::string_view name) const {
  for (const auto& [key, value] : entries_) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::int64_t Attributes::integer(std::string_view name, std::int64_t otherwise) const {
  const Attribute* found = find(name);
  return found ? as<std::int64_t>(*found, name) : otherwise;
}

double Attributes::number(std::string_view name, double otherwise) const {
  const Attribute* found = find(name);
  return found ? as<double>(*found, name) : otherwise;
}

std::string Attributes::text(std::string_view name, std::string_view otherwise) const {
  const Attribute* found = find(name);
  return found ? as<std::string>(*found, name) : std::string(otherwise);
}

std::vector<std::int64_t> Attributes::integers(std::string_view name) const {
  const Attribute* found = find(name);
  return found ? as<std::vector<std::int64_t>>(*found, name) : std::vector<std::int64_t>{};
}

std::vector<double> Attributes::numbers(std::string_view name) const {
  const Attribute* found = find(name);
  return found ? as<std::vector<double>>(*found, name) : std::vector<double>{};
}

std::string to_string(const Attributes& attributes) {
  std::string text;
  for (const auto& [name, value] : attributes.entries()) {
    if (!text.empty()) text += ',';
    text += name + '=' + std::visit(Printer{}, value);
  }
  return text;
}

}  // namespace mpsearch
