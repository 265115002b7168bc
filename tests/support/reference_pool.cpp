// Pools by walking each window element by element; padding is skipped, or counted where asked.
#include <algorithm>
#include <limits>

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

struct Window {
  Shape kernel, strides, dilations, pads;
};

Window window_of(const Call& call) {
  const auto get = [&](const char* name, std::size_t count, std::int64_t otherwise) {
    Shape values = call.call.attributes.integers(name);
    values.resize(count, otherwise);
    return values;
  };
  const Shape kernel = call.call.attributes.integers("kernel_shape");
  return {kernel, get("strides", kernel.size(), 1), get("dilations", kernel.size(), 1),
          get("pads", 2 * kernel.size(), 0)};
}

/// Calls f(place in the window, position in x or -1 in padding) for the window of output `index`;
/// elements beyond the end padding (a last window of ceil_mode) are left out.
template <class F>
void for_each_in_window(const Window& window, const Shape& x, const Shape& index, F f) {
  const std::size_t rank = window.kernel.size();
  std::int64_t place = -1;
  for_each_index(window.kernel, [&](const Shape& k) {
    ++place;
    Shape at{index[0], index[1]};
    bool inside = true;
    for (std::size_t d = 0; d < rank; ++d) {
      const std::int64_t i =
          index[2 + d] * window.strides[d] + k[d] * window.dilations[d] - window.pads[d];
      if (i >= x[2 + d] + window.pads[rank + d]) return;
      inside = inside && i >= 0 && i < x[2 + d];
      at.push_back(i);
    }
    f(place, inside ? static_cast<std::int64_t>(position(x, at)) : -1);
  });
}

std::vector<Numbers> max_pool(const Call& call) {
  const Window window = window_of(call);
  Numbers y, index;
  for_each_index(call.call.outputs[0].shape, [&](const Shape& out) {
    double best = -std::numeric_limits<double>::infinity();
    double best_place = 0;
    for_each_in_window(window, call.shape(0), out, [&](std::int64_t place, std::int64_t at) {
      if (at < 0 || call.inputs[0][static_cast<std::size_t>(at)] <= best) return;
      best = call.inputs[0][static_cast<std::size_t>(at)];
      best_place = static_cast<double>(place);
    });
    y.push_back(best);
    index.push_back(best_place);
  });
  return {y, index};
}

std::vector<Numbers> max_pool_grad(const Call& call) {
  const Shape x = call.call.attributes.integers("input_shape");
  Numbers dx(count_of(x), 0);
  for_each_index(call.shape(0), [&](const Shape& out) {
    const std::size_t from = position(call.shape(0), out);
    for_each_in_window(window_of(call), x, out, [&](std::int64_t place, std::int64_t at) {
      if (at < 0 || static_cast<double>(place) != call.inputs[1][from]) return;
      dx[static_cast<std::size_t>(at)] += call.inputs[0][from];
    });
  });
  return {dx};
}

/// Flat positions in x: by rows, or in each channel by columns.
std::vector<Numbers> max_pool_places(const Call& call) {
  const Shape x = call.call.attributes.integers("input_shape");
  const bool by_columns = call.integer("storage_order", 0) != 0;
  Shape reversed = x;
  std::reverse(reversed.begin() + 2, reversed.end());
  Numbers places;
  for_each_index(call.shape(0), [&](const Shape& out) {
    const double code = call.inputs[0][position(call.shape(0), out)];
    for_each_index(x, [&](const Shape& at) {
      if (at[0] != out[0] || at[1] != out[1]) return;
      const auto row_major = static_cast<std::int64_t>(position(x, at));
      for_each_in_window(window_of(call), x, out, [&](std::int64_t place, std::int64_t in_x) {
        if (static_cast<double>(place) != code || in_x != row_major) return;
        Shape turned = at;
        std::reverse(turned.begin() + 2, turned.end());
        places.push_back(
            static_cast<double>(by_columns ? position(reversed, turned) : position(x, at)));
      });
    });
  });
  return {places};
}

/// By how much the window of output `out` is divided.
double divisor(const Call& call, const Shape& x, const Shape& out) {
  double count = 0;
  for_each_in_window(window_of(call), x, out, [&](std::int64_t, std::int64_t at) {
    if (at >= 0 || call.integer("count_include_pad", 0) != 0) ++count;
  });
  return count;
}

std::vector<Numbers> average_pool(const Call& call) {
  Numbers y;
  for_each_index(call.call.outputs[0].shape, [&](const Shape& out) {
    double sum = 0;
    for_each_in_window(window_of(call), call.shape(0), out, [&](std::int64_t, std::int64_t at) {
      if (at >= 0) sum += call.inputs[0][static_cast<std::size_t>(at)];
    });
    y.push_back(sum / divisor(call, call.shape(0), out));
  });
  return {y};
}

std::vector<Numbers> average_pool_grad(const Call& call) {
  const Shape x = call.call.attributes.integers("input_shape");
  Numbers dx(count_of(x), 0);
  for_each_index(call.shape(0), [&](const Shape& out) {
    const double share = call.inputs[0][position(call.shape(0), out)] / divisor(call, x, out);
    for_each_in_window(window_of(call), x, out, [&](std::int64_t, std::int64_t at) {
      if (at >= 0) dx[static_cast<std::size_t>(at)] += share;
    });
  });
  return {dx};
}

std::vector<Numbers> global_average(const Call& call) {
  const Shape& y_shape = call.call.outputs[0].shape;
  Numbers y(count_of(y_shape), 0);
  const double count = static_cast<double>(call.inputs[0].size()) / static_cast<double>(y.size());
  for_each_index(call.shape(0), [&](const Shape& index) {
    y[broadcast_position(y_shape, index)] += call.inputs[0][position(call.shape(0), index)] / count;
  });
  return {y};
}

}  // namespace

std::vector<Definition> pool_definitions() {
  return {{"MaxPool", max_pool},
          {"MaxPoolGrad", max_pool_grad},
          {"MaxPoolPlaces", max_pool_places},
          {"AveragePool", average_pool},
          {"AveragePoolGrad", average_pool_grad},
          {"GlobalAveragePool", global_average}};
}

}  // namespace mpsearch::reference
