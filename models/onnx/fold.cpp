#include "models/onnx/fold.h"

#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/attributes.h"
#include "models/onnx/fold_rows.h"

namespace mpsearch {
namespace {

using onnx::AttributeProto;
using onnx::TensorProto;

std::vector<FoldRow> all_rows() {
  std::vector<FoldRow> rows = fold_arithmetic_rows();
  for (const auto& family : {fold_movement_rows(), fold_product_rows()}) {
    rows.insert(rows.end(), family.begin(), family.end());
  }
  return rows;
}

const FoldRow* find_row(std::string_view op) {
  static const std::vector<FoldRow> kRows = all_rows();
  const auto found =
      std::find_if(kRows.begin(), kRows.end(), [&](const FoldRow& row) { return row.op == op; });
  return found == kRows.end() ? nullptr : &*found;
}

template <class Values>
HostTensor real_vector(const Values& values) {
  return {TensorProto::FLOAT,
          {static_cast<std::int64_t>(values.size())},
          {},
          {values.begin(), values.end()}};
}

}  // namespace

const HostTensor& FoldCall::input(std::size_t index) const {
  require(has(index), ErrorKind::BadContent, "input " + std::to_string(index) + " is missing");
  return *inputs[index];
}

Shape FoldCall::integers(std::string_view name, int since, std::size_t index) const {
  if (opset < since) return integers_of(node, name);
  return has(index) ? inputs[index]->integers : Shape{};
}

StridedIndex::StridedIndex(const Shape& shape, Shape strides, std::int64_t start)
    : shape_(shape), strides_(std::move(strides)), start_(start) {}

std::int64_t StridedIndex::operator()(std::size_t i) const {
  auto rest = static_cast<std::int64_t>(i);
  std::int64_t offset = start_;
  for (std::size_t dim = shape_.size(); dim-- > 0;) {
    offset += rest % shape_[dim] * strides_[dim];
    rest /= shape_[dim];
  }
  return offset;
}

Shape broadcast_strides(const Shape& from, const Shape& to) {
  Shape strides(to.size(), 0);
  std::int64_t step = 1;
  for (std::size_t i = from.size(); i-- > 0;) {
    if (from[i] != 1) strides[to.size() - from.size() + i] = step;
    step *= from[i];
  }
  return strides;
}

bool can_fold(std::string_view op) { return find_row(op) != nullptr; }

HostTensor fold(const onnx::NodeProto& node, int opset, std::span<const HostTensor* const> inputs) {
  const FoldRow* row = find_row(node.op_type());
  require(row != nullptr, ErrorKind::Internal, "cannot fold " + node.op_type());
  return row->evaluate({node, opset, inputs});
}

HostTensor constant_of(const onnx::NodeProto& node) {
  for (const AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == "value") return host_tensor(attribute.t());
    if (attribute.name() == "value_int") return {TensorProto::INT64, {}, {attribute.i()}, {}};
    if (attribute.name() == "value_float") {
      return {TensorProto::FLOAT, {}, {}, {static_cast<double>(attribute.f())}};
    }
    if (attribute.name() == "value_ints") {
      return host_vector({attribute.ints().begin(), attribute.ints().end()});
    }
    if (attribute.name() == "value_floats") return real_vector(attribute.floats());
  }
  throw Error(ErrorKind::BadContent, "a Constant without a value, or with a text or sparse one");
}

HostTensor shape_slice(const onnx::NodeProto& node, const Shape& shape) {
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto place = [&](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const std::int64_t start = place(integer_of(node, "start", 0));
  const std::int64_t end = std::max(start, place(integer_of(node, "end", rank)));
  return host_vector({shape.begin() + start, shape.begin() + end});
}

}  // namespace mpsearch
