// Where the maxima of a MaxPool lie in its input, from their numbers within the windows. A position
// is linear in both: that of the window's first element, and the element's distance from it.
#include <algorithm>
#include <array>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

using Int = std::int64_t;
constexpr std::size_t kCodes = 256;

/// Calls f(index) for every index of `shape`, the last dimension fastest.
template <class F>
void for_each_index(const Shape& shape, const F& f) {
  const Int count = elements_of(shape);
  Shape index(shape.size(), 0);
  for (Int i = 0; i < count; ++i) {
    f(index);
    for (std::size_t dim = shape.size(); dim-- > 0;) {
      if (++index[dim] < shape[dim]) break;
      index[dim] = 0;
    }
  }
}

struct MaxPoolPlaces {
  const std::uint8_t* index;
  Int* places;
  Int planes, channels;
  Int pixels;                      // of an input's channel
  std::vector<Int> first;          // by output position
  std::array<Int, kCodes> step{};  // by number in the window

  void operator()() const {
    const auto positions = static_cast<Int>(first.size());
    const Int block = std::max<Int>(1, kBlock / std::max<Int>(1, channels));
    for_each_block(planes * positions, block, [&](Int, Int begin, Int end) {
      for (Int at = begin; at < end; ++at) {
        const Int plane = at / positions;
        const Int from = first[static_cast<std::size_t>(at % positions)];
        for (Int c = 0; c < channels; ++c) {
          const Int i = at * channels + c;
          places[i] = (plane * channels + c) * pixels + from + step[index[i]];
        }
      }
    });
  }
};

std::vector<KernelChoice> candidates(const KernelCall& call) {
  const TensorType& index = call.inputs.at(0);
  const TensorType& places = call.outputs.at(0);
  if (index.form.dtype != DType::U8 || places.form.dtype != DType::I64 ||
      index.form.layout != places.form.layout || index.shape != places.shape ||
      index.shape.size() < 3) {
    return {};
  }
  return {{.algorithm = "loop"}};
}

/// Distance between neighbours of each spatial dimension: the last (or, by columns, the first) one
/// lies densely.
Shape strides_of(const Shape& spatial, bool by_columns) {
  Shape strides(spatial.size(), 1);
  for (std::size_t i = 1; i < spatial.size(); ++i) {
    const std::size_t dim = by_columns ? i : spatial.size() - 1 - i;
    const std::size_t inner = by_columns ? dim - 1 : dim + 1;
    strides[dim] = strides[inner] * spatial[inner];
  }
  return strides;
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Shape x = call.attributes.integers("input_shape");
  const Shape& y = call.outputs[0].shape;
  const Shape spatial(x.begin() + 2, x.end());
  const std::size_t rank = spatial.size();
  const auto read = [&](const char* name, std::size_t count, Int otherwise) {
    const Shape given = call.attributes.integers(name);
    return given.empty() ? Shape(count, otherwise) : given;
  };
  const Shape window_strides = read("strides", rank, 1);
  const Shape dilations = read("dilations", rank, 1);
  const Shape pads = read("pads", 2 * rank, 0);
  const Shape strides = strides_of(spatial, call.attributes.integer("storage_order", 0) != 0);

  const bool last = call.inputs[0].form.layout == Layout::ChannelsLast;
  MaxPoolPlaces kernel{.index = reinterpret_cast<const std::uint8_t*>(views.inputs[0].data),
                       .places = reinterpret_cast<Int*>(views.outputs[0].data),
                       .planes = last ? y[0] : y[0] * y[1],
                       .channels = last ? y[1] : 1,
                       .pixels = elements_of(spatial),
                       .first = {}};
  for_each_index({y.begin() + 2, y.end()}, [&](const Shape& at) {
    Int first = 0;
    for (std::size_t d = 0; d < rank; ++d) {
      first += (at[d] * window_strides[d] - pads[d]) * strides[d];
    }
    kernel.first.push_back(first);
  });
  std::size_t code = 0;
  for_each_index(call.attributes.integers("kernel_shape"), [&](const Shape& at) {
    for (std::size_t d = 0; d < rank; ++d) {
      kernel.step[code] += at[d] * dilations[d] * strides[d];
    }
    ++code;
  });
  return bound(std::move(kernel));
}

constexpr KernelEntry kEntries[] = {{"MaxPoolPlaces", candidates, bind}};

}  // namespace

KernelTable pool_places_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
