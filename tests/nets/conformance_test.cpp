// ONNX's own conformance data (Debian's libonnx-testdata) through import and the FP64 references:
// what an operator means here is what it means there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include "kernels/error.h"
#include "models/onnx/host_tensor.h"
#include "models/onnx/import.h"
#include "models/op.h"
#include "tests/support/reference_graph.h"

#include <onnx/onnx_pb.h>

namespace mpsearch {
namespace {

namespace fs = std::filesystem;
using reference::Numbers;

const fs::path kData = "/usr/share/libonnx-testdata/data";

template <class Message>
std::optional<Message> read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  Message message;
  if (!stream || !message.ParseFromIstream(&stream)) return std::nullopt;
  return message;
}

std::optional<Numbers> read_numbers(const fs::path& path) {
  const auto tensor = read<onnx::TensorProto>(path);
  if (!tensor.has_value() || !has_host_elements(tensor->data_type())) return std::nullopt;
  const HostTensor host = host_tensor(*tensor);
  if (!host.reals.empty()) return host.reals;
  return Numbers(host.integers.begin(), host.integers.end());
}

/// Training replaces what these do in evaluation.
bool differs_in_training(const Model& model) {
  for (const Node& node : model.graph.nodes) {
    if (node.op->name == "Dropout" || node.op->name.starts_with("BatchNorm")) return true;
  }
  return false;
}

/// Whether inputs and outputs are F32 and integers alone: in others ONNX rounds, where here the
/// plan decides.
bool of_plain_types(const onnx::ModelProto& file) {
  const auto plain = [](const onnx::ValueInfoProto& value) {
    const int type = value.type().tensor_type().elem_type();
    return type == onnx::TensorProto::FLOAT || type == onnx::TensorProto::DOUBLE ||
           type == onnx::TensorProto::INT64 || type == onnx::TensorProto::BOOL;
  };
  return std::ranges::all_of(file.graph().input(), plain) &&
         std::ranges::all_of(file.graph().output(), plain);
}

/// The first output of the model, or nothing where a value that it needs is not given.
std::optional<Numbers> output_of(const fs::path& folder, const onnx::ModelProto& file,
                                 const Model& model) {
  std::map<std::string, Numbers> given;
  std::set<std::string> initializers;
  for (const auto& tensor : file.graph().initializer()) initializers.insert(tensor.name());
  int index = 0;
  for (const auto& input : file.graph().input()) {
    if (initializers.contains(input.name())) continue;
    const fs::path path = folder / "test_data_set_0" / ("input_" + std::to_string(index++) + ".pb");
    if (const auto numbers = read_numbers(path)) given[input.name()] = *numbers;
  }
  std::vector<Numbers> values = reference::initial_numbers(model.graph);
  for (std::size_t id = 0; id < values.size(); ++id) {
    const Value& value = model.graph.values[id];
    if (value.kind != ValueKind::Input) continue;
    if (!given.contains(value.name)) return std::nullopt;
    values[id] = given.at(value.name);
  }
  reference::run(model.graph, values);
  const ValueId output = model.graph.outputs.at(0);
  std::vector<Numbers> y{values[static_cast<std::size_t>(output)]};
  if (model.final_activations[0].empty()) return y[0];
  const TensorType& type = model.graph.value(output).type;
  const auto axis = static_cast<std::int64_t>(type.shape.size()) - 1;
  return reference::evaluate({model.final_activations[0], {{"axis", axis}}, {type}, {type}}, y)[0];
}

bool same(const Numbers& got, const Numbers& wanted) {
  if (got.size() != wanted.size()) return false;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double bound = 2e-5 * (1 + std::fabs(wanted[i]));
    const bool neither = std::isnan(got[i]) && std::isnan(wanted[i]);
    if (!(std::fabs(got[i] - wanted[i]) <= bound) && !(got[i] == wanted[i]) && !neither) {
      return false;
    }
  }
  return true;
}

struct Set {
  std::string folder;
  int least;  // tests that must be run, so that none falls out unnoticed
};

void PrintTo(const Set& set, std::ostream* out) { *out << set.folder; }

class Conformance : public testing::TestWithParam<Set> {};

TEST_P(Conformance, WhatIsImportedMeansTheSame) {
  if (!fs::exists(kData)) GTEST_SKIP() << "libonnx-testdata is not installed";
  int run = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(kData / GetParam().folder)) {
    const fs::path folder = entry.path();
    const auto file = read<onnx::ModelProto>(folder / "model.onnx");
    if (!file || !of_plain_types(*file)) continue;
    std::optional<Model> model;
    try {
      model = import_model(folder / "model.onnx");
    } catch (const Error&) {
      continue;  // not supported
    }
    if (differs_in_training(*model)) continue;
    const auto wanted = read_numbers(folder / "test_data_set_0" / "output_0.pb");
    const auto got = output_of(folder, *file, *model);
    if (!got || !wanted) continue;
    EXPECT_TRUE(same(*got, *wanted)) << folder.filename();
    ++run;
  }
  std::cout << run << " models of " << GetParam().folder << '\n';
  EXPECT_GE(run, GetParam().least);
}

INSTANTIATE_TEST_SUITE_P(Onnx, Conformance,
                         testing::Values(Set{"node", 190}, Set{"pytorch-operator", 23},
                                         Set{"pytorch-converted", 62}),
                         [](const auto& set) {
                           std::string name = set.param.folder;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace mpsearch
