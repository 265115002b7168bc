#include "tests/conformance/onnx_test.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "kernels/error.h"
#include "models/lower.h"
#include "models/onnx/attributes.h"
#include "models/onnx/host_tensor.h"
#include "models/onnx/import.h"
#include "models/training.h"
#include "runtime/executable.h"
#include "runtime/memory_plan.h"
#include "tests/support/reference_graph.h"
#include "tests/support/storage.h"

namespace mpsearch::conformance {
namespace {

namespace fs = std::filesystem;
using onnx::ModelProto;
using onnx::TensorProto;
using onnx::TypeProto;
using reference::Numbers;

/// A model with the first data set of its test.
struct Case {
  fs::path folder;
  ModelProto model;
  std::map<std::string, TensorProto> inputs;  // by name; absent where it cannot be read
  std::vector<TensorProto> outputs;
  double relative = 1e-3;
  double absolute = 1e-7;
};

constexpr double kBf16Step = 1.0 / 128;

template <class Message>
Message read(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  Message message;
  require(stream && message.ParseFromIstream(&stream), ErrorKind::BadContent,
          "cannot read " + path.string());
  return message;
}

/// Older tests hold BFLOAT16 as UINT16, cut off instead of rounded.
TensorProto read_tensor(const fs::path& path, const onnx::ValueInfoProto& info, Case& test) {
  auto tensor = read<TensorProto>(path);
  const int declared = info.type().tensor_type().elem_type();
  if (tensor.data_type() == TensorProto::UINT16 && declared == TensorProto::BFLOAT16) {
    tensor.set_data_type(declared);
    test.relative = kBf16Step;
  }
  tensor.set_name(info.name());
  return tensor;
}

bool is_tensor(const onnx::ValueInfoProto& info) { return info.type().has_tensor_type(); }

std::vector<const onnx::ValueInfoProto*> given_inputs(const ModelProto& model) {
  std::set<std::string> initializers;
  for (const TensorProto& tensor : model.graph().initializer()) initializers.insert(tensor.name());
  std::vector<const onnx::ValueInfoProto*> inputs;
  for (const onnx::ValueInfoProto& input : model.graph().input()) {
    if (!initializers.contains(input.name())) inputs.push_back(&input);
  }
  return inputs;
}

Case read_case(const fs::path& folder) {
  Case test{folder, read<ModelProto>(folder / "model.onnx"), {}, {}};
  const fs::path data = folder / "test_data_set_0";
  const auto inputs = given_inputs(test.model);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const fs::path path = data / ("input_" + std::to_string(i) + ".pb");
    if (!is_tensor(*inputs[i]) || !fs::exists(path)) continue;
    test.inputs[inputs[i]->name()] = read_tensor(path, *inputs[i], test);
  }
  for (int i = 0; i < test.model.graph().output_size(); ++i) {
    const onnx::ValueInfoProto& output = test.model.graph().output(i);
    if (!is_tensor(output)) continue;
    test.outputs.push_back(
        read_tensor(data / ("output_" + std::to_string(i) + ".pb"), output, test));
  }
  if (std::ifstream limits(folder / "data.json"); limits) {
    const nlohmann::json values = nlohmann::json::parse(limits);
    test.relative = values.value("rtol", test.relative);
    test.absolute = values.value("atol", test.absolute);
  }
  return test;
}

std::vector<std::string> operators_of(const ModelProto& model) {
  std::set<std::string> operators;
  for (const onnx::NodeProto& node : model.graph().node()) {
    const bool standard = node.domain().empty() || node.domain() == "ai.onnx";
    operators.insert(standard ? node.op_type() : node.domain() + "." + node.op_type());
  }
  return {operators.begin(), operators.end()};
}

bool computes_floats(const ModelProto& model, const std::vector<std::string>& operators) {
  constexpr std::array<std::string_view, 6> kRandom{"Bernoulli",     "Multinomial",
                                                    "RandomNormal",  "RandomNormalLike",
                                                    "RandomUniform", "RandomUniformLike"};
  for (const std::string& op : operators) {
    if (std::ranges::find(kRandom, op) != kRandom.end() || op.starts_with("ai.onnx.preview")) {
      return false;
    }
  }
  bool floats = false;
  for (const auto* infos : {&model.graph().input(), &model.graph().output()}) {
    for (const onnx::ValueInfoProto& info : *infos) {
      const int type = info.type().tensor_type().elem_type();
      if (!is_tensor(info) || type == TensorProto::STRING) return false;
      floats = floats || onnx_is_float(type);
    }
  }
  return floats;
}

/// Inputs that become constants of the model, by how much has to be fixed.
using Fixing = bool (*)(std::size_t index, int type);
struct Attempt {
  std::string_view name;
  Fixing fixes;
};
constexpr std::array<Attempt, 4> kAttempts{{
    {"", [](std::size_t, int) { return false; }},
    {"integers", [](std::size_t index, int type) { return index > 0 && onnx_is_integer(type); }},
    {"all but the first", [](std::size_t index, int) { return index > 0; }},
    {"all", [](std::size_t, int) { return true; }},
}};

/// The model with these inputs as initializers; empty where there are none to fix.
std::optional<ModelProto> fixed_model(const Case& test, Fixing fixes) {
  ModelProto model = test.model;
  bool any = false;
  const auto inputs = given_inputs(test.model);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto found = test.inputs.find(inputs[i]->name());
    if (found == test.inputs.end() || !fixes(i, found->second.data_type())) continue;
    *model.mutable_graph()->add_initializer() = found->second;
    any = true;
  }
  if (any) return model;
  return std::nullopt;
}

Numbers numbers_of(const TensorProto& tensor) {
  const HostTensor host = host_tensor(tensor);
  if (host.real()) return host.reals;
  return {host.integers.begin(), host.integers.end()};
}

/// Sizes of what the file leaves open, from the data.
ImportOptions options_for(const Case& test) {
  ImportOptions options;
  for (const onnx::ValueInfoProto* input : given_inputs(test.model)) {
    const auto found = test.inputs.find(input->name());
    if (found == test.inputs.end()) continue;
    const auto& dims = input->type().tensor_type().shape().dim();
    const bool open =
        std::ranges::any_of(dims, [](const auto& dim) { return !dim.has_dim_value(); });
    if (open) options.inputs.emplace_back(input->name(), shape_of(found->second));
  }
  return options;
}

/// What a value that no node computes holds: the model's own data, or the test's.
Bytes given_content(const Value& value, const Case& test) {
  if (value.data) return *value.data;
  require(test.inputs.contains(value.name), ErrorKind::BadContent,
          "no data for input '" + value.name + "'");
  return reference::stored(numbers_of(test.inputs.at(value.name)), value.type);
}

/// All outputs of the model under the given inputs.
std::vector<std::pair<TensorType, Numbers>> computed(const Graph& graph, const Case& test,
                                                     const Backend& backend) {
  const std::vector<Precision> precision(graph.layers.size(), Precision::FP32);
  const Lowered lowered = lower(
      graph, precision, [&](const KernelCall& call) { return choose_kernel(backend, {}, call); });
  const MemoryPlan memory = plan_memory(lowered.graph);
  const std::shared_ptr<std::byte> arena =
      backend.allocate(std::max<std::int64_t>(memory.peak, kArenaAlignment));
  const Executable executable = compile(lowered.graph, memory, backend, arena.get());
  for (std::size_t i = 0; i < lowered.graph.values.size(); ++i) {
    const Value& value = lowered.graph.values[i];
    if (memory.values[i].offset < 0 || value.producer != kNone) continue;
    const Bytes content = given_content(value, test);
    backend.copy_to_device(arena.get() + memory.values[i].offset, content.data(),
                           static_cast<std::int64_t>(content.size()));
  }
  backend.run(executable.steps);
  backend.wait();
  std::vector<std::pair<TensorType, Numbers>> outputs;
  for (const ValueId id : lowered.graph.outputs) {
    const ValueId root = lowered.graph.root(id);
    const TensorType& type = lowered.graph.value(id).type;
    if (memory.values[static_cast<std::size_t>(root)].offset < 0) {  // nothing computes it
      const Bytes content = given_content(lowered.graph.value(root), test);
      outputs.emplace_back(type, reference::loaded(content.data(), type));
    } else {
      const TensorView view = view_of(lowered.graph, memory, arena.get(), id);
      outputs.emplace_back(type, reference::loaded(view.data, type));
    }
  }
  return outputs;
}

/// What no FP32 forward pass can be held against; empty where it can.
std::string incomparable(const Case& test) {
  for (const onnx::NodeProto& node : test.model.graph().node()) {
    if (node.op_type() != "Dropout" || node.input_size() < 3) continue;
    const auto value = [&](int input, double otherwise) {
      const auto found = test.inputs.find(node.input(input));
      return found == test.inputs.end() ? otherwise : numbers_of(found->second).at(0);
    };
    if (value(2, 0) == 0 || value(1, 0.5) == 0) continue;
    return "Dropout: its random numbers are NumPy's";
  }
  for (const auto& [name, tensor] : test.inputs) {
    if (tensor.data_type() != TensorProto::DOUBLE) continue;
    const Numbers numbers = numbers_of(tensor);
    const auto beyond = [](double x) {
      return std::isfinite(x) && std::fabs(x) > std::numeric_limits<float>::max();
    };
    if (std::ranges::any_of(numbers, beyond)) return "DOUBLE values beyond the range of F32";
  }
  return {};
}

/// Casts between floats are the plan's: what a file's type does to a result is applied here.
double as_stored(const Case& test, const TensorProto& wanted, double value) {
  if (!onnx_is_float(wanted.data_type())) return value;
  bool saturate = true;
  for (const onnx::NodeProto& node : test.model.graph().node()) {
    saturate = saturate && integer_of(node, "saturate", 1) != 0;
  }
  return rounded(wanted.data_type(), value, saturate);
}

/// The model's outputs in FP64, without any rounding.
std::vector<Numbers> exact_outputs(const Graph& graph, const Case& test) {
  std::vector<Numbers> values = reference::initial_numbers(graph);
  for (const ValueId input : graph.inputs) {
    values[static_cast<std::size_t>(input)] = numbers_of(test.inputs.at(graph.value(input).name));
  }
  reference::run(graph, values);
  std::vector<Numbers> outputs;
  for (const ValueId id : graph.outputs) outputs.push_back(values[static_cast<std::size_t>(id)]);
  return outputs;
}

/// Compares the outputs of one model with those that its test expects.
class Judge {
 public:
  Judge(const Graph& graph, const Case& test) : graph_(graph), test_(test) {}

  int nearer() const { return nearer_; }

  /// Where output `index` differs; empty where it does not.
  std::string difference(std::size_t index, const TensorType& type, const Numbers& got) {
    const TensorProto& wanted = test_.outputs.at(index);
    if (type.shape != shape_of(wanted)) {
      return "shape " + to_string(type.shape) + ", expected " + to_string(shape_of(wanted));
    }
    const Numbers expected = numbers_of(wanted);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double value = as_stored(test_, wanted, got[i]);
      const bool near = std::fabs(value - expected[i]) <=
                        test_.absolute + test_.relative * std::fabs(expected[i]);
      const bool same = value == expected[i] || (std::isnan(value) && std::isnan(expected[i]));
      if (near || same || is_nearer(index, i, value, expected[i])) continue;
      return "element " + std::to_string(i) + " is " + std::to_string(value) + ", expected " +
             std::to_string(expected[i]);
    }
    return {};
  }

 private:
  bool is_nearer(std::size_t output, std::size_t i, double value, double expected) {
    const int type = test_.outputs.at(output).data_type();
    if (type != TensorProto::BFLOAT16 && type != TensorProto::FLOAT16) return false;
    if (exact_.empty()) exact_ = exact_outputs(graph_, test_);
    const double exact = exact_.at(output).at(i);
    if (!(std::fabs(value - exact) <= std::fabs(expected - exact))) return false;
    ++nearer_;
    return true;
  }

  const Graph& graph_;
  const Case& test_;
  std::vector<Numbers> exact_;  // of all outputs, once needed
  int nearer_ = 0;
};

/// Why an import or a plan was refused, in one line.
std::string reason_of(const Error& error) {
  std::string text = error.text().what;
  const std::string& why = error.text().why;
  const std::size_t table = why.find('\n');
  if (table != std::string::npos) {
    const std::size_t end = why.find('\n', table + 1);
    text = why.substr(table + 1, end - table - 1);
    const std::size_t op = text.find_first_not_of(' ');
    const std::size_t quoted = text.find("': ");
    text = text.substr(op, text.find(' ', op) - op) + ": " + text.substr(quoted + 3);
  } else if (!why.empty()) {
    text += ": " + why;
  }
  return text;
}

/// One attempt at the test with this model.
void attempt(const Case& test, const fs::path& path, const Backend& backend, Outcome& outcome) {
  try {
    const Graph graph = inference_graph(import_model(path, options_for(test)));
    const auto outputs = computed(graph, test, backend);
    outcome.status = Status::Pass;
    outcome.reason.clear();
    Judge judge(graph, test);
    for (std::size_t i = 0; i < outputs.size() && outcome.reason.empty(); ++i) {
      outcome.reason = judge.difference(i, outputs[i].first, outputs[i].second);
    }
    outcome.nearer = judge.nearer();
    if (!outcome.reason.empty()) outcome.status = Status::Fail;
  } catch (const Error& error) {
    outcome.status = error.kind() == ErrorKind::Internal ? Status::Fail : Status::Unsupported;
    outcome.reason = reason_of(error);
  } catch (const std::exception& error) {
    outcome.status = Status::Fail;
    outcome.reason = error.what();
  }
}

}  // namespace

std::vector<fs::path> find_tests(const fs::path& root) {
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() != "model.onnx") continue;
    if (fs::exists(entry.path().parent_path() / "test_data_set_0")) {
      folders.push_back(entry.path().parent_path());
    }
  }
  std::ranges::sort(folders);
  return folders;
}

Outcome run_test(const fs::path& folder, const Backend& backend, const fs::path& scratch) {
  Outcome outcome;
  outcome.name = folder.filename().string();
  try {
    const Case test = read_case(folder);
    outcome.operators = operators_of(test.model);
    outcome.computes_floats = computes_floats(test.model, outcome.operators);
    outcome.reason = incomparable(test);
    if (!outcome.reason.empty()) {
      outcome.status = Status::Unsupported;
      return outcome;
    }
    std::string first_reason;
    for (const Attempt& way : kAttempts) {
      fs::path path = folder / "model.onnx";
      if (!way.name.empty()) {
        const std::optional<ModelProto> model = fixed_model(test, way.fixes);
        if (!model) continue;
        path = scratch / "model.onnx";
        std::ofstream stream(path, std::ios::binary);
        model->SerializeToOstream(&stream);
      }
      attempt(test, path, backend, outcome);
      outcome.fixed = way.name;
      if (outcome.status != Status::Unsupported) return outcome;
      if (first_reason.empty()) first_reason = outcome.reason;
    }
    outcome.reason = first_reason;
    outcome.fixed.clear();
  } catch (const std::exception& error) {
    outcome.reason = error.what();
  }
  return outcome;
}

}  // namespace mpsearch::conformance
