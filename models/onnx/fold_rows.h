// The rows of the folding table, by family. Internal to models/onnx.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "models/onnx/fold.h"

namespace mpsearch {

struct FoldCall {
  const onnx::NodeProto& node;
  int opset;
  std::span<const HostTensor* const> inputs;

  /// Throws BadContent where the input is missing.
  const HostTensor& input(std::size_t index) const;
  bool has(std::size_t index) const { return index < inputs.size() && inputs[index] != nullptr; }

  /// Integers from attribute `name` before opset `since`, from input `index` after; empty where
  /// absent.
  Shape integers(std::string_view name, int since, std::size_t index) const;
};

struct FoldRow {
  std::string_view op;
  HostTensor (*evaluate)(const FoldCall&);
};

std::vector<FoldRow> fold_arithmetic_rows();  // fold_arithmetic.cpp
std::vector<FoldRow> fold_movement_rows();    // fold_movement.cpp
std::vector<FoldRow> fold_product_rows();     // fold_products.cpp

/// The elements of `x` at index_of(0), index_of(1), ... in a tensor of `shape`.
template <class IndexOf>
HostTensor picked(const HostTensor& x, const Shape& shape, const IndexOf& index_of) {
  HostTensor y = host_tensor(x.type, shape);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const auto from = static_cast<std::size_t>(index_of(i));
    if (x.real()) {
      y.reals[i] = x.reals[from];
    } else {
      y.integers[i] = x.integers[from];
    }
  }
  return y;
}

/// Walks the index of `shape` and gives the offset that `strides` make of it: strides of 0 repeat.
class StridedIndex {
 public:
  StridedIndex(const Shape& shape, Shape strides, std::int64_t start = 0);
  /// The offset of element i of `shape` in row-major order.
  std::int64_t operator()(std::size_t i) const;

 private:
  Shape shape_;
  Shape strides_;
  std::int64_t start_;
};

/// Strides with which a tensor of `from` is read as one of `to`, broadcast.
Shape broadcast_strides(const Shape& from, const Shape& to);

}  // namespace mpsearch
