// Pooling of any rank and either layout. A tensor is [planes, positions, channels]: ChannelsLast
// has N planes of C channels, RowMajor N * C planes of one. Which positions a window covers is
// listed once, when the call is bound.
#include <algorithm>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/group.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"
#include "kernels/math/pool.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::int64_t kLargestWindow = 256;

/// Positions of an image that belong to each position of another, one list after the other.
struct Windows {
  std::vector<std::int64_t> begin;     // where each list begins; one more than there are lists
  std::vector<std::int64_t> position;  // of the other image
  std::vector<std::uint8_t> code;      // number within the window
  std::vector<float> weight;           // of average pooling

  std::int64_t count(std::int64_t list) const {
    return begin[static_cast<std::size_t>(list) + 1] - begin[static_cast<std::size_t>(list)];
  }
  std::size_t first(std::int64_t list) const {
    return static_cast<std::size_t>(begin[static_cast<std::size_t>(list)]);
  }
};

struct Geometry {
  Shape input, output;  // spatial dimensions
  Shape kernel, strides, pads, dilations;
  bool count_include_pad = false;

  std::int64_t window() const { return elements_of(kernel); }
};

Geometry geometry_of(const KernelCall& call, const Shape& input, const Shape& output) {
  Geometry geometry;
  geometry.input.assign(input.begin() + 2, input.end());
  geometry.output.assign(output.begin() + 2, output.end());
  const std::size_t rank = geometry.input.size();
  const auto read = [&](const char* name, const Shape& otherwise) {
    const Shape given = call.attributes.integers(name);
    return given.empty() ? otherwise : given;
  };
  geometry.kernel = read("kernel_shape", geometry.input);
  geometry.strides = read("strides", Shape(rank, 1));
  geometry.pads = read("pads", Shape(2 * rank, 0));
  geometry.dilations = read("dilations", Shape(rank, 1));
  geometry.count_include_pad = call.attributes.integer("count_include_pad", 0) != 0;
  return geometry;
}

/// Next index of a row-major walk; false after the last.
bool advance(Shape& at, const Shape& shape) {
  for (std::size_t dim = shape.size(); dim-- > 0;) {
    if (++at[dim] < shape[dim]) return true;
    at[dim] = 0;
  }
  return false;
}

/// The input positions of every output position.
Windows windows_of(const Geometry& g) {
  Windows windows;
  const std::size_t rank = g.input.size();
  Shape out(rank, 0);
  do {
    windows.begin.push_back(static_cast<std::int64_t>(windows.position.size()));
    Shape in_window(rank, 0);
    std::int64_t counted = 0;
    std::int64_t code = 0;
    do {
      std::int64_t position = 0;
      bool inside = true;
      bool padded = true;
      for (std::size_t dim = 0; dim < rank; ++dim) {
        const std::int64_t at =
            out[dim] * g.strides[dim] - g.pads[dim] + in_window[dim] * g.dilations[dim];
        inside = inside && at >= 0 && at < g.input[dim];
        padded = padded && at >= -g.pads[dim] && at < g.input[dim] + g.pads[rank + dim];
        position = position * g.input[dim] + at;
      }
      if (inside) {
        windows.position.push_back(position);
        windows.code.push_back(static_cast<std::uint8_t>(code));
      }
      counted += inside || (g.count_include_pad && padded) ? 1 : 0;
      ++code;
    } while (advance(in_window, g.kernel));
    windows.weight.resize(windows.position.size(),
                          counted > 0 ? 1.0F / static_cast<float>(counted) : 0.0F);
  } while (advance(out, g.output));
  windows.begin.push_back(static_cast<std::int64_t>(windows.position.size()));
  return windows;
}

/// The output positions whose windows cover each input position.
Windows inverse_of(const Windows& windows, std::int64_t inputs) {
  Windows inverse;
  inverse.begin.assign(static_cast<std::size_t>(inputs) + 1, 0);
  for (const std::int64_t position : windows.position) {
    ++inverse.begin[static_cast<std::size_t>(position) + 1];
  }
  for (std::size_t i = 1; i < inverse.begin.size(); ++i) inverse.begin[i] += inverse.begin[i - 1];
  inverse.position.resize(windows.position.size());
  inverse.code.resize(windows.position.size());
  inverse.weight.resize(windows.position.size());
  std::vector<std::int64_t> next(inverse.begin.begin(), inverse.begin.end() - 1);
  for (std::size_t out = 0; out + 1 < windows.begin.size(); ++out) {
    for (auto i = static_cast<std::size_t>(windows.begin[out]);
         i < static_cast<std::size_t>(windows.begin[out + 1]); ++i) {
      const auto at =
          static_cast<std::size_t>(next[static_cast<std::size_t>(windows.position[i])]++);
      inverse.position[at] = static_cast<std::int64_t>(out);
      inverse.code[at] = windows.code[i];
      inverse.weight[at] = windows.weight[i];
    }
  }
  return inverse;
}

/// A pooling call cut into planes: both images of a plane lie contiguously.
struct Planes {
  std::int64_t planes = 0;
  std::int64_t channels = 0;
  std::int64_t from_positions = 0;  // of the tensor that is read
  std::int64_t to_positions = 0;    // of the tensor that is written

  /// Calls f(plane, position) for every position that is written, in parallel.
  template <class F>
  void for_each_position(const F& f) const {
    const std::int64_t block =
        std::max<std::int64_t>(1, kBlock / std::max<std::int64_t>(1, channels) / 4);
    for_each_block(planes * to_positions, block,
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t at = begin; at < end; ++at) {
                       f(at / to_positions, at % to_positions);
                     }
                   });
  }
  std::int64_t from(std::int64_t plane, std::int64_t position) const {
    return (plane * from_positions + position) * channels;
  }
  std::int64_t to(std::int64_t plane, std::int64_t position) const {
    return (plane * to_positions + position) * channels;
  }
};

Planes planes_of(const TensorType& from, const TensorType& to) {
  const bool last = from.form.layout == Layout::ChannelsLast;
  Planes planes;
  planes.planes = last ? from.shape[0] : from.shape[0] * from.shape[1];
  planes.channels = last ? from.shape[1] : 1;
  const auto positions = [](const Shape& shape) {
    return elements_of(Shape(shape.begin() + 2, shape.end()));
  };
  planes.from_positions = positions(from.shape);
  planes.to_positions = positions(to.shape);
  return planes;
}

template <class T>
struct MaxPool {
  const T* x;
  T* y;
  std::uint8_t* index;  // null in evaluation
  Planes planes;
  Windows windows;

  void operator()() const {
    planes.for_each_position([&](std::int64_t plane, std::int64_t out) {
      const std::size_t first = windows.first(out);
      const auto input = [&](std::int64_t k) {
        return x + planes.from(plane, windows.position[first + static_cast<std::size_t>(k)]);
      };
      T* to = y + planes.to(plane, out);
      if (index != nullptr) {
        max_pool(Group(), windows.count(out), windows.code.data() + first, planes.channels, input,
                 to, index + planes.to(plane, out));
      } else {
        Group().fold_columns(
            windows.count(out), planes.channels, Values<1>{{-__builtin_inff()}},
            [](Values<1> best, std::int64_t, float v) {
              const bool better = (v > best.v[0]) | (v != v);
              return Values<1>{{better ? v : best.v[0]}};
            },
            [](Values<1> best) { return best.v[0]; }, Out{to}, input);
      }
    });
  }
};

template <class T>
struct MaxPoolGrad {
  const T* dy;
  const std::uint8_t* index;
  T* dx;
  Planes planes;
  Windows windows;  // inverse

  void operator()() const {
    planes.for_each_position([&](std::int64_t plane, std::int64_t in) {
      const std::size_t first = windows.first(in);
      const auto offset = [&](std::int64_t k) {
        return planes.from(plane, windows.position[first + static_cast<std::size_t>(k)]);
      };
      max_pool_backward(
          Group(), windows.count(in), windows.code.data() + first, planes.channels,
          [&](std::int64_t k) { return dy + offset(k); },
          [&](std::int64_t k) { return index + offset(k); }, dx + planes.to(plane, in));
    });
  }
};

template <class T>
struct AveragePool {
  const T* x;
  T* y;
  Planes planes;
  Windows windows;

  void operator()() const {
    planes.for_each_position([&](std::int64_t plane, std::int64_t out) {
      const std::size_t first = windows.first(out);
      const float weight = windows.count(out) > 0 ? windows.weight[first] : 0.0F;
      average_pool(
          Group(), windows.count(out), weight, planes.channels,
          [&](std::int64_t k) {
            return x + planes.from(plane, windows.position[first + static_cast<std::size_t>(k)]);
          },
          y + planes.to(plane, out));
    });
  }
};

template <class T>
struct AveragePoolGrad {
  const T* dy;
  T* dx;
  Planes planes;
  Windows windows;  // inverse

  void operator()() const {
    planes.for_each_position([&](std::int64_t plane, std::int64_t in) {
      const std::size_t first = windows.first(in);
      average_pool_backward(
          Group(), windows.count(in), windows.weight.data() + first, planes.channels,
          [&](std::int64_t k) {
            return dy + planes.from(plane, windows.position[first + static_cast<std::size_t>(k)]);
          },
          dx + planes.to(plane, in));
    });
  }
};

std::vector<KernelChoice> candidates(const KernelCall& call) {
  const TensorType& x = call.inputs.at(0);
  const TensorType& y = call.outputs.at(0);
  if (!is_carrier(x.form.dtype) || x.form != y.form || x.shape.size() < 3 ||
      x.shape.size() != y.shape.size()) {
    return {};
  }
  const bool coded = call.op == "MaxPool" || call.op == "MaxPoolGrad";
  const Shape kernel = call.attributes.integers("kernel_shape");
  if (coded && elements_of(kernel) > kLargestWindow) return {};
  const TensorType* index = call.op == "MaxPoolGrad"  ? &call.inputs.at(1)
                            : call.outputs.size() > 1 ? &call.outputs[1]
                                                      : nullptr;
  if (index != nullptr && (index->form.dtype != DType::U8 || index->form.layout != x.form.layout)) {
    return {};
  }
  return {{.algorithm = "loop"}};
}

template <class T>
T* data(const TensorView& view) {
  return reinterpret_cast<T*>(view.data);
}

template <class T>
BoundKernel bind_as(const KernelCall& call, const KernelViews& views) {
  const TensorType& from = call.inputs[0];
  const TensorType& to = call.outputs[0];
  const Planes planes = planes_of(from, to);
  const TensorView& in = views.inputs[0];
  const TensorView& out = views.outputs[0];
  if (call.op == "MaxPool") {
    auto* index = views.outputs.size() > 1 ? data<std::uint8_t>(views.outputs[1]) : nullptr;
    return bound(MaxPool<T>{data<T>(in), data<T>(out), index, planes,
                            windows_of(geometry_of(call, from.shape, to.shape))});
  }
  if (call.op == "AveragePool" || call.op == "GlobalAveragePool") {
    return bound(AveragePool<T>{data<T>(in), data<T>(out), planes,
                                windows_of(geometry_of(call, from.shape, to.shape))});
  }
  Windows windows =
      inverse_of(windows_of(geometry_of(call, to.shape, from.shape)), planes.to_positions);
  if (call.op == "MaxPoolGrad") {
    return bound(MaxPoolGrad<T>{data<T>(in), data<std::uint8_t>(views.inputs[1]), data<T>(out),
                                planes, std::move(windows)});
  }
  return bound(AveragePoolGrad<T>{data<T>(in), data<T>(out), planes, std::move(windows)});
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return with_carrier(call.inputs[0].form.dtype,
                      [&]<class T>(T) { return bind_as<T>(call, views); });
}

constexpr KernelEntry kEntries[] = {
    {"MaxPool", candidates, bind},           {"MaxPoolGrad", candidates, bind},
    {"AveragePool", candidates, bind},       {"AveragePoolGrad", candidates, bind},
    {"GlobalAveragePool", candidates, bind},
};

}  // namespace

KernelTable pool_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
