#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/attributes.h"
#include "models/onnx/fold_rows.h"
#include "models/onnx/shape_rules.h"

namespace mpsearch {
namespace {

using onnx::TensorProto;
using Int = std::int64_t;

HostTensor identity(const FoldCall& call) { return call.input(0); }

HostTensor shape(const FoldCall& call) { return shape_slice(call.node, call.input(0).shape); }

HostTensor size(const FoldCall& call) {
  return {TensorProto::INT64, {}, {elements_of(call.input(0).shape)}, {}};
}

HostTensor with_shape(const HostTensor& x, Shape shape) {
  HostTensor y = x;
  y.shape = std::move(shape);
  return y;
}

HostTensor reshape(const FoldCall& call) {
  const HostTensor& x = call.input(0);
  const bool allow_zero = integer_of(call.node, "allowzero", 0) != 0;
  return with_shape(x, reshaped(x.shape, call.input(1).integers, allow_zero));
}

HostTensor squeeze(const FoldCall& call) {
  const HostTensor& x = call.input(0);
  return with_shape(x, squeezed(x.shape, call.integers("axes", 13, 1)));
}

HostTensor unsqueeze(const FoldCall& call) {
  const HostTensor& x = call.input(0);
  return with_shape(x, unsqueezed(x.shape, call.integers("axes", 13, 1)));
}

HostTensor flatten(const FoldCall& call) {
  const HostTensor& x = call.input(0);
  return with_shape(x, flattened(x.shape, integer_of(call.node, "axis", 1)));
}

HostTensor expand(const FoldCall& call) {
  const HostTensor& x = call.input(0);
  const Shape shape = broadcast(x.shape, call.input(1).integers);
  return picked(x, shape, StridedIndex(shape, broadcast_strides(x.shape, shape)));
}

HostTensor transpose(const FoldCall& call) {
  const HostTensor& x = call.input(0);
  Shape perm = integers_of(call.node, "perm");
  const std::size_t rank = x.shape.size();
  for (std::size_t i = 0; perm.size() < rank; ++i) perm.push_back(static_cast<Int>(rank - 1 - i));
  require(axes_from_front(perm, rank).size() == rank, ErrorKind::BadContent, "perm does not fit");
  const Shape strides = strides_of({x.shape, {}});
  Shape shape;
  Shape moved;
  for (const Int axis : perm) {
    const auto from = static_cast<std::size_t>(axis_from_front(axis, rank));
    shape.push_back(x.shape[from]);
    moved.push_back(strides[from]);
  }
  return picked(x, shape, StridedIndex(shape, moved));
}

HostTensor gather(const FoldCall& call) {
  const HostTensor& x = call.input(0);
  const HostTensor& indices = call.input(1);
  const auto axis =
      static_cast<std::size_t>(axis_from_front(integer_of(call.node, "axis", 0), x.shape.size()));
  Shape shape(x.shape.begin(), x.shape.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), x.shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.shape.end());
  const Int inner =
      elements_of({x.shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.shape.end()});
  const auto count = static_cast<Int>(indices.size());
  return picked(x, shape, [&](std::size_t i) {
    const Int rest = static_cast<Int>(i) / inner;
    const Int index = indices.integers.at(static_cast<std::size_t>(rest % count));
    const Int from = axis_from_front(index, static_cast<std::size_t>(x.shape[axis]));
    return (rest / count * x.shape[axis] + from) * inner + static_cast<Int>(i) % inner;
  });
}

HostTensor concat(const FoldCall& call) {
  const HostTensor& first = call.input(0);
  const std::size_t rank = first.shape.size();
  require(rank > 0, ErrorKind::BadContent, "scalars cannot be concatenated");
  const auto axis = static_cast<std::size_t>(
      axis_from_front(integer_of(call.node, "axis", call.opset < 4 ? 1 : 0), rank));
  Shape shape = first.shape;
  shape[axis] = 0;
  for (std::size_t k = 0; k < call.inputs.size(); ++k) {
    const HostTensor& x = call.input(k);
    bool fits = x.shape.size() == rank && x.real() == first.real();
    for (std::size_t i = 0; i < rank && fits; ++i) fits = i == axis || x.shape[i] == shape[i];
    require(fits, ErrorKind::BadContent, "shapes to concatenate do not fit");
    shape[axis] += x.shape[axis];
  }
  HostTensor y = host_tensor(first.type, shape);
  const Int inner =
      elements_of({shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1, shape.end()});
  Int before = 0;
  for (std::size_t k = 0; k < call.inputs.size(); ++k) {
    const HostTensor& x = call.input(k);
    const Int row = x.shape[axis] * inner;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Int outer = static_cast<Int>(i) / row;
      const auto to = static_cast<std::size_t>(outer * shape[axis] * inner + before +
                                               static_cast<Int>(i) % row);
      if (x.real()) {
        y.reals[to] = x.reals[i];
      } else {
        y.integers[to] = x.integers[i];
      }
    }
    before += row;
  }
  return y;
}

/// starts, ends, axes, steps: attributes before opset 10, inputs since.
HostTensor slice(const FoldCall& call) {
  const HostTensor& x = call.input(0);
  const Shape steps = call.opset >= 10 && call.has(4) ? call.input(4).integers : Shape{};
  const SlicedShape to = sliced(x.shape, call.integers("starts", 10, 1),
                                call.integers("ends", 10, 2), call.integers("axes", 10, 3), steps);
  Shape strides = strides_of({x.shape, {}});
  Int offset = 0;
  for (std::size_t dim = 0; dim < strides.size(); ++dim) {
    offset += to.starts[dim] * strides[dim];
    strides[dim] = to.shape[dim] > 1 ? strides[dim] * to.steps[dim] : 0;
  }
  return picked(x, to.shape, StridedIndex(to.shape, strides, offset));
}

HostTensor constant_of_shape(const FoldCall& call) {
  const onnx::AttributeProto* value = find_attribute(call.node, "value");
  HostTensor one =
      value == nullptr ? HostTensor{TensorProto::FLOAT, {1}, {}, {0}} : host_tensor(value->t());
  require(one.size() == 1, ErrorKind::BadContent, "the value of a ConstantOfShape is one element");
  return picked(one, call.input(0).integers, [](std::size_t) { return 0; });
}

HostTensor tile(const FoldCall& call) {
  const HostTensor& x = call.input(0);
  const Shape& repeats = call.input(1).integers;
  require(repeats.size() == x.shape.size(), ErrorKind::BadContent, "repeats do not fit the shape");
  Shape shape = x.shape;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    require(!__builtin_mul_overflow(shape[i], repeats[i], &shape[i]), ErrorKind::BadContent,
            "repeats are too large");
  }
  const Shape strides = strides_of({x.shape, {}});
  return picked(x, shape, [&](std::size_t i) {
    auto rest = static_cast<Int>(i);
    Int from = 0;
    for (std::size_t dim = shape.size(); dim-- > 0;) {
      from += rest % shape[dim] % x.shape[dim] * strides[dim];
      rest /= shape[dim];
    }
    return from;
  });
}

HostTensor triangle(const FoldCall& call) {
  HostTensor y = call.input(0);
  const std::size_t rank = y.shape.size();
  require(rank >= 2, ErrorKind::BadContent, "Trilu takes matrices");
  const Int shift = call.has(1) ? call.input(1).integers.at(0) : 0;
  const bool upper = integer_of(call.node, "upper", 1) != 0;
  const Int columns = y.shape[rank - 1];
  const Int rows = y.shape[rank - 2];
  for (std::size_t i = 0; i < y.size(); ++i) {
    const Int column = static_cast<Int>(i) % columns;
    const Int row = static_cast<Int>(i) / columns % rows;
    if (upper ? column - row >= shift : column - row <= shift) continue;
    if (y.real()) {
      y.reals[i] = 0;
    } else {
      y.integers[i] = 0;
    }
  }
  return y;
}

}  // namespace

std::vector<FoldRow> fold_movement_rows() {
  return {
      {"Identity", identity},
      {"Shape", shape},
      {"Size", size},
      {"Reshape", reshape},
      {"Squeeze", squeeze},
      {"Unsqueeze", unsqueeze},
      {"Flatten", flatten},
      {"Expand", expand},
      {"Transpose", transpose},
      {"Gather", gather},
      {"Concat", concat},
      {"Slice", slice},
      {"ConstantOfShape", constant_of_shape},
      {"Tile", tile},
      {"Trilu", triangle},
  };
}

}  // namespace mpsearch
