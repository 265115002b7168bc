// OnnxBuilder: writes an ONNX file node by node, without ONNX in sight. Used by models/zoo and
// tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/attributes.h"
#include "kernels/tensor.h"

namespace mpsearch {

/// A dimension of an input or output: a size, or the name of a symbol.
using OnnxDim = std::variant<std::int64_t, std::string>;

class OnnxBuilder {
 public:
  explicit OnnxBuilder(std::string_view graph_name, int opset = 17, int ir_version = 8);
  OnnxBuilder(OnnxBuilder&&) noexcept;
  ~OnnxBuilder();

  /// Each of these returns the name that it defines.
  std::string input(std::string name, const std::vector<OnnxDim>& dims, DType dtype = DType::F32);
  std::string initializer(std::string name, const Shape& shape, std::span<const float> values);
  std::string initializer(std::string name, std::span<const std::int64_t> values);  // rank 1

  /// F32 elements in a file beside the model, as ONNX's entries say.
  std::string external(std::string name, const Shape& shape, const std::string& location,
                       const std::string& offset, const std::string& length);

  /// A Constant node with this tensor.
  std::string constant(const std::string& name, const Shape& shape, std::span<const float> values);

  /// Adds a node whose outputs are `outputs`, or one that bears the node's name. Returns the first.
  std::string node(std::string name, std::string_view op, const std::vector<std::string>& inputs,
                   const Attributes& attributes = {}, std::vector<std::string> outputs = {});

  void output(const std::string& name, const std::vector<OnnxDim>& dims, DType dtype = DType::F32);
  void output(const std::string& name);  // F32, its shape left open

  /// The file's bytes, unchecked.
  std::string bytes() const;

  /// Checks the model with ONNX's full check, then writes it under a temporary name and renames it.
  /// Throws Internal where the check fails, CannotCreate and InputOutput where writing does.
  void write(const std::filesystem::path& path) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mpsearch
