// Operators that only move elements, and what carries their gradients back.
#include <algorithm>
#include <string>

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

std::vector<Numbers> concat(const Call& call) {
  const auto axis = static_cast<std::size_t>(call.integer("axis", 0));
  Numbers y;
  for_each_index(call.call.outputs[0].shape, [&](Shape index) {
    std::size_t part = 0;
    while (index[axis] >= call.shape(part)[axis]) index[axis] -= call.shape(part++)[axis];
    y.push_back(call.inputs[part][position(call.shape(part), index)]);
  });
  return {y};
}

/// Where element `index` of a slice lies in the whole.
Shape in_whole(const Call& call, Shape index) {
  const Shape starts = call.call.attributes.integers("starts");
  const Shape steps = call.call.attributes.integers("steps");
  for (std::size_t d = 0; d < index.size(); ++d) index[d] = starts[d] + index[d] * steps[d];
  return index;
}

std::vector<Numbers> slice(const Call& call) {
  Numbers y;
  for_each_index(call.call.outputs[0].shape, [&](const Shape& index) {
    y.push_back(call.inputs[0][position(call.shape(0), in_whole(call, index))]);
  });
  return {y};
}

std::vector<Numbers> slice_grad(const Call& call) {
  const Shape& whole = call.call.outputs[0].shape;
  Numbers dx(count_of(whole), 0);
  for_each_index(call.shape(0), [&](const Shape& index) {
    dx[position(whole, in_whole(call, index))] = call.inputs[0][position(call.shape(0), index)];
  });
  return {dx};
}

/// Where element `at` of a padded dimension comes from, step by step; -1 is the constant.
std::int64_t unpadded(const std::string& mode, std::int64_t at, std::int64_t size) {
  while (at < 0 || at >= size) {
    if (mode == "constant") return -1;
    if (mode == "edge") {
      at = std::clamp<std::int64_t>(at, 0, size - 1);
    } else if (mode == "wrap") {
      at += at < 0 ? size : -size;
    } else {
      at = at < 0 ? -at : 2 * (size - 1) - at;
    }
  }
  return at;
}

/// Index in x of what lies at `index` of the padded tensor; empty: the constant.
Shape source(const Call& call, const Shape& x, Shape index) {
  const Shape pads = call.call.attributes.integers("pads");
  const std::string mode = call.call.attributes.text("mode", "constant");
  for (std::size_t d = 0; d < x.size(); ++d) {
    index[d] = unpadded(mode, index[d] - pads[d], x[d]);
    if (index[d] < 0) return {};
  }
  return index;
}

std::vector<Numbers> pad(const Call& call) {
  Numbers y;
  for_each_index(call.call.outputs[0].shape, [&](const Shape& index) {
    const Shape from = source(call, call.shape(0), index);
    y.push_back(from.empty() ? call.number("value", 0)
                             : call.inputs[0][position(call.shape(0), from)]);
  });
  return {y};
}

std::vector<Numbers> pad_grad(const Call& call) {
  const Shape& x = call.call.outputs[0].shape;
  Numbers dx(count_of(x), 0);
  for_each_index(call.shape(0), [&](const Shape& index) {
    const Shape to = source(call, x, index);
    if (!to.empty()) dx[position(x, to)] += call.inputs[0][position(call.shape(0), index)];
  });
  return {dx};
}

}  // namespace

std::vector<Definition> movement_definitions() {
  return {{"Concat", concat},
          {"Slice", slice},
          {"SliceGrad", slice_grad},
          {"Pad", pad},
          {"PadGrad", pad_grad}};
}

}  // namespace mpsearch::reference
