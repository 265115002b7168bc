#include "models/onnx/shape_rules.h"

#include <algorithm>
#include <string>

#include "kernels/error.h"

namespace mpsearch {
namespace {

[[noreturn]] void bad(const std::string& what) { throw Error(ErrorKind::BadContent, what); }

bool contains(const Shape& axes, std::size_t axis) {
  return std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(axis)) != axes.end();
}

}  // namespace

std::int64_t axis_from_front(std::int64_t axis, std::size_t rank) {
  const auto dims = static_cast<std::int64_t>(rank);
  if (axis < -dims || axis >= dims) {
    bad("axis " + std::to_string(axis) + " of a tensor with " + std::to_string(dims) +
        " dimensions");
  }
  return axis < 0 ? axis + dims : axis;
}

Shape axes_from_front(const Shape& axes, std::size_t rank) {
  Shape sorted;
  for (const std::int64_t axis : axes) sorted.push_back(axis_from_front(axis, rank));
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    bad("axes " + to_string(axes) + " name one dimension twice");
  }
  return sorted;
}

Shape reshaped(const Shape& from, const Shape& target, bool allow_zero) {
  const std::int64_t elements = elements_of(from);
  Shape shape = target;
  std::int64_t* open = nullptr;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !allow_zero) {
      if (i >= from.size())
        bad("shape " + to_string(target) + " copies a dimension that is not there");
      shape[i] = from[i];
    }
    if (shape[i] != -1) continue;
    if (open != nullptr) bad("shape " + to_string(target) + " leaves two dimensions open");
    open = &shape[i];
  }
  if (open != nullptr) {
    *open = 1;
    const std::int64_t others = elements_of(shape);
    *open = others == 0 ? 0 : elements / others;
  }
  if (elements_of(shape) != elements) {
    bad("a tensor of shape " + to_string(from) + " cannot take the shape " + to_string(target));
  }
  return shape;
}

Shape squeezed(const Shape& from, const Shape& axes) {
  const Shape named = axes_from_front(axes, from.size());
  Shape shape;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const bool drop = axes.empty() ? from[i] == 1 : contains(named, i);
    if (drop && from[i] != 1) {
      bad("dimension " + std::to_string(i) + " of " + to_string(from) +
          " is squeezed but is not 1");
    }
    if (!drop) shape.push_back(from[i]);
  }
  return shape;
}

Shape unsqueezed(const Shape& from, const Shape& axes) {
  const Shape named = axes_from_front(axes, from.size() + axes.size());
  Shape shape = from;
  for (const std::int64_t axis : named) shape.insert(shape.begin() + axis, 1);
  return shape;
}

Shape flattened(const Shape& from, std::int64_t axis) {
  const auto rank = static_cast<std::int64_t>(from.size());
  if (axis < -rank || axis > rank) bad("axis " + std::to_string(axis) + " of " + to_string(from));
  const auto split = from.begin() + (axis < 0 ? axis + rank : axis);
  return {elements_of({from.begin(), split}), elements_of({split, from.end()})};
}

Shape broadcast(const Shape& a, const Shape& b) {
  const std::size_t rank = std::max(a.size(), b.size());
  Shape shape(rank, 1);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t x = i + a.size() < rank ? 1 : a[i + a.size() - rank];
    const std::int64_t y = i + b.size() < rank ? 1 : b[i + b.size() - rank];
    if (x != y && x != 1 && y != 1) {
      bad("shapes " + to_string(a) + " and " + to_string(b) + " do not broadcast");
    }
    shape[i] = x == 1 ? y : x;
  }
  return shape;
}

Shape reduced(const Shape& from, const Shape& axes, bool keep) {
  Shape shape;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (!contains(axes, i)) {
      shape.push_back(from[i]);
    } else if (keep) {
      shape.push_back(1);
    }
  }
  return shape;
}

}  // namespace mpsearch
