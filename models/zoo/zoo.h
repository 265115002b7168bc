// Reference networks as ONNX files: symbolic batch, readable names, weights from a seed. Used by
// the zoo command, tests and benchmarks.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mpsearch {

struct ZooOption {
  std::string name;  // "image"
  std::string meaning;
  double standard = 0;
};

struct ZooEntry {
  std::string name;
  std::string meaning;
  std::vector<ZooOption> options;
};

/// All networks with their options.
std::vector<ZooEntry> zoo();

/// Writes network `name` to `path`; options that are not given keep their defaults. Throws Usage
/// for an unknown network or option, or a size that the network cannot have.
void write_zoo(std::string_view name, const std::map<std::string, double>& options,
               const std::filesystem::path& path);

}  // namespace mpsearch
