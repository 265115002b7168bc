#include "kernels/cpu/loops/integers.h"

#include <algorithm>

#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/walk.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

template <class T>
void read(const std::byte* from, std::int64_t stride, std::int64_t* to, std::int64_t count) {
  const T* source = reinterpret_cast<const T*>(from);
  for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<std::int64_t>(source[i * stride]);
}

struct IntegerMap {
  IntegerCompute compute;
  std::vector<TensorView> inputs;
  TensorView out;
  std::vector<Dim> outer;  // the output's order in memory
  Dim columns;

  void operator()() const {
    const std::int64_t across = (columns.size + kChunk - 1) / kChunk;
    const std::int64_t width = std::min(kChunk, std::max<std::int64_t>(1, columns.size));
    for_each_block(size_of(outer) * across, std::max<std::int64_t>(1, kBlock / width),
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       run(i / across, i % across * kChunk);
                     }
                   });
  }

 private:
  void run(std::int64_t row, std::int64_t column) const {
    const std::int64_t count = std::min(kChunk, columns.size - column);
    std::int64_t buffers[kOperands][kChunk];
    const std::int64_t* in[kOperands] = {buffers[0], buffers[1], buffers[2]};
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const DType dtype = inputs[k].type.form.dtype;
      const std::int64_t at = offset_at(outer, k, row) + column * columns.stride[k];
      read_integers(dtype, inputs[k].data + at * (bits_of(dtype) / 8), columns.stride[k],
                    buffers[k], count);
    }
    std::int64_t result[kChunk];
    compute(in, result, count);
    const DType to = out.type.form.dtype;
    write_integers(to, result, out.data + (row * columns.size + column) * (bits_of(to) / 8), count);
  }
};

}  // namespace

void read_integers(DType dtype, const std::byte* from, std::int64_t stride, std::int64_t* to,
                   std::int64_t count) {
  switch (dtype) {
    case DType::I64:
      return read<std::int64_t>(from, stride, to, count);
    case DType::I32:
      return read<std::int32_t>(from, stride, to, count);
    case DType::I8:
      return read<std::int8_t>(from, stride, to, count);
    default:
      return read<std::uint8_t>(from, stride, to, count);
  }
}

void write_integers(DType dtype, const std::int64_t* from, std::byte* to, std::int64_t count) {
  if (dtype == DType::I64) {
    std::copy_n(from, count, reinterpret_cast<std::int64_t*>(to));
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) to[i] = from[i] != 0 ? std::byte{1} : std::byte{0};
}

BoundKernel integer_map(IntegerCompute compute, const KernelViews& views) {
  const TensorType& out = views.outputs[0].type;
  std::vector<Dim> dims = broadcast_dims(views.inputs, out);
  IntegerMap map{compute, views.inputs, views.outputs[0], {}, dims.back()};
  dims.pop_back();
  map.outer = std::move(dims);
  return bound(std::move(map));
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
