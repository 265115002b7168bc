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

namespace {

/// Dimensions [begin, end).
struct Run {
  std::size_t begin = 0;
  std::size_t end = 0;
};

std::int64_t product(const Shape& shape, Run run) {
  std::int64_t result = 1;
  for (std::size_t i = run.begin; i < run.end; ++i) result *= shape[i];
  return result;
}

/// The dimension of `result` within `to` that takes a change from `old` to `now` elements.
std::size_t taker(const Shape& result, Run to, std::span<const std::int64_t> batches,
                  std::int64_t old, std::int64_t now) {
  const auto divides = [&](std::size_t i) {
    std::int64_t scaled = 0;
    return !__builtin_mul_overflow(result[i], now, &scaled) && scaled % old == 0;
  };
  for (const std::int64_t batch : batches) {
    for (std::size_t i = to.begin; i < to.end; ++i) {
      if (result[i] == batch && divides(i)) return i;
    }
  }
  for (std::size_t i = to.begin; i < to.end; ++i) {
    if (divides(i)) return i;
  }
  return to.end;
}

}  // namespace

Shape rescaled(const Shape& from, const Shape& result, const Shape& now,
               std::span<const std::int64_t> batches) {
  if (from.size() != now.size()) return {};
  Shape scaled = result;
  Run in;
  Run out;
  while (in.end < from.size()) {
    in = {in.end, in.end + 1};
    out = {out.end, std::min(out.end + 1, result.size())};
    while (product(from, in) != product(result, out)) {
      const bool more = product(from, in) < product(result, out);
      if ((more ? in.end : out.end) == (more ? from : result).size()) return {};
      ++(more ? in.end : out.end);
    }
    const bool ones_follow = in.end == from.size() || from[in.end] != 1;
    while (ones_follow && out.end < result.size() && result[out.end] == 1) ++out.end;
    const std::int64_t old_count = product(from, in);
    const std::int64_t new_count = product(now, in);
    if (old_count == new_count) continue;
    // The batch itself leads what it is split or merged into.
    const bool leads = from[in.begin] == batches[0] && now[in.begin] != from[in.begin];
    const std::size_t at =
        taker(result, out, leads ? std::span<const std::int64_t>() : batches, old_count, new_count);
    if (at == out.end) return {};
    scaled[at] = result[at] * new_count / old_count;
  }
  return scaled;
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

bool SlicedShape::whole() const {
  const auto all = [](const Shape& values, std::int64_t value) {
    return std::all_of(values.begin(), values.end(), [&](std::int64_t v) { return v == value; });
  };
  return all(starts, 0) && all(steps, 1);
}

SlicedShape sliced(const Shape& from, const Shape& starts, const Shape& ends, const Shape& axes,
                   const Shape& steps) {
  const std::size_t count = starts.size();
  if (ends.size() != count || (!axes.empty() && axes.size() != count) ||
      (!steps.empty() && steps.size() != count)) {
    bad("starts, ends, axes and steps differ in number");
  }
  SlicedShape to{Shape(from.size(), 0), Shape(from.size(), 1), from};
  for (std::size_t i = 0; i < count; ++i) {
    const auto axis = static_cast<std::size_t>(
        axis_from_front(axes.empty() ? static_cast<std::int64_t>(i) : axes[i], from.size()));
    const std::int64_t dim = from[axis];
    const std::int64_t step = steps.empty() ? 1 : steps[i];
    constexpr std::int64_t kFar = std::int64_t{1} << 40;
    if (step == 0) bad("a Slice of step 0");
    if (dim == 0) continue;
    const std::int64_t stride = std::clamp(step, -kFar, kFar);
    const auto place = [&](std::int64_t at, std::int64_t low, std::int64_t high) {
      return std::clamp(at < 0 ? at + dim : at, low, high);
    };
    const std::int64_t least = step > 0 ? 0 : -1;
    const std::int64_t most = step > 0 ? dim : dim - 1;
    const std::int64_t start = place(starts[i], 0, most);
    const std::int64_t span = (place(ends[i], least, most) - start) * (step > 0 ? 1 : -1);
    const std::int64_t size = step > 0 ? stride : -stride;
    to.starts[axis] = start;
    to.steps[axis] = stride;
    to.shape[axis] = span <= 0 ? 0 : (span + size - 1) / size;
    if (to.shape[axis] == 1) to.steps[axis] = 1;
  }
  return to;
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
