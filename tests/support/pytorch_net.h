// The nets of tests/reference with what PyTorch computed of them, and the rules by which we are
// held against it. Used by tests/nets (FP64 references) and tests/end_to_end (the CPU).
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/npz.h"

namespace mpsearch::reference {

/// A file of tests/reference and the data that belongs to it.
struct PyTorchNet {
  std::string model;  // without .onnx
  std::string data;   // without .npz

  std::string path() const { return folder() + model + ".onnx"; }
  std::map<std::string, Array> read_data() const { return read_npz(folder() + data + ".npz"); }
  static std::string folder() { return std::string(MPSEARCH_SOURCE_DIR) + "/tests/reference/"; }
};

inline void PrintTo(const PyTorchNet& net, std::ostream* out) { *out << net.model; }

/// All of them, for INSTANTIATE_TEST_SUITE_P, and the name of a test.
inline auto pytorch_nets() {
  return testing::Values(PyTorchNet{"lenet", "lenet"}, PyTorchNet{"lenet-default", "lenet"},
                         PyTorchNet{"vgg", "vgg"}, PyTorchNet{"resnet18", "resnet18"},
                         PyTorchNet{"resnet18-unoptimized", "resnet18"});
}
inline std::string name_of_net(const testing::TestParamInfo<PyTorchNet>& info) {
  std::string name = info.param.model;
  std::ranges::replace(name, '-', '_');
  return name;
}

inline double norm(const Numbers& a) {
  double sum = 0;
  for (const double x : a) sum += x * x;
  return std::sqrt(sum);
}

inline double distance(Numbers a, const Numbers& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return norm(a);
}

/// The largest norm of a parameter's gradient.
inline double largest_gradient(const std::map<std::string, Array>& data) {
  double largest = 0;
  for (const auto& [key, array] : data) {
    if (key.starts_with("grad64/")) largest = std::max(largest, norm(array.numbers));
  }
  return largest;
}

/// numerics.md, section 9: ||g - g64|| <= max(1e-5, 3 x PyTorch's FP32 error) ||g64|| + 1e-7 of the
/// largest.
inline double allowed_distance(const std::map<std::string, Array>& data, const std::string& name) {
  const double theirs = data.at("error32/" + name).numbers[0];
  return std::max(1e-5, 3 * theirs) * norm(data.at("grad64/" + name).numbers) +
         1e-7 * largest_gradient(data);
}

}  // namespace mpsearch::reference
