// Models made by hand, imported, and what a test asks of them. Used by the tests of import.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/onnx/builder.h"
#include "models/onnx/import.h"
#include "models/op.h"
#include "tests/onnx/files.h"

namespace mpsearch {

using Ints = std::vector<std::int64_t>;
using Floats = std::vector<float>;

class Import : public Files {
 protected:
  /// A model from the input x to what `build` returns.
  Model imported(const std::function<std::string(OnnxBuilder&)>& build, int opset = 17,
                 const ImportOptions& options = {}, const std::vector<OnnxDim>& x = {2, 3}) {
    return import_model(built(build, opset, x), options);
  }

  std::filesystem::path built(const std::function<std::string(OnnxBuilder&)>& build, int opset = 17,
                              const std::vector<OnnxDim>& x = {2, 3}) {
    OnnxBuilder builder("test", opset);
    builder.input("x", x);
    builder.output(build(builder));
    return write("model.onnx", builder.bytes());
  }

  static const Node& node(const Model& model, const std::string& name) {
    for (const Node& entry : model.graph.nodes) {
      if (entry.name == name) return entry;
    }
    throw std::runtime_error("no node " + name);
  }

  static const Value& value(const Model& model, const std::string& name) {
    for (const Value& entry : model.graph.values) {
      if (entry.name == name) return entry;
    }
    throw std::runtime_error("no value " + name);
  }

  static std::map<std::string, int> ops(const Model& model) {
    std::map<std::string, int> count;
    for (const Node& entry : model.graph.nodes) ++count[std::string(entry.op->name)];
    return count;
  }

  static const Shape& output_shape(const Model& model) {
    return model.graph.value(model.graph.outputs.at(0)).type.shape;
  }

  static Floats floats(const Value& value) {
    Floats numbers(value.data->size() / sizeof(float));
    std::memcpy(numbers.data(), value.data->data(), value.data->size());
    return numbers;
  }
};

}  // namespace mpsearch
