#include "kernels/cpu/stages.h"

#include <algorithm>
#include <cstring>

#include <omp.h>

namespace mpsearch::cpu {
namespace {

/// Elements below which a second thread costs more than it brings.
constexpr std::int64_t kGrain = 8192;

/// Calls f(begin, end) for parts of [0, count), one a thread, borders at multiples of 64.
template <class F>
void in_parallel(std::int64_t count, std::int64_t grain, const F& f) {
  const std::int64_t most = (count + grain - 1) / grain;
  const int threads = static_cast<int>(std::min<std::int64_t>(omp_get_max_threads(), most));
  if (threads <= 1) {
    f(std::int64_t{0}, count);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const std::int64_t parts = omp_get_num_threads(), index = omp_get_thread_num();
    const std::int64_t part = ((count + parts - 1) / parts + 63) / 64 * 64;
    const std::int64_t begin = std::min(count, index * part);
    const std::int64_t end = std::min(count, begin + part);
    if (begin < end) f(begin, end);
  }
}

std::int64_t bytes_an_element(DType dtype) { return bits_of(dtype) / 8; }

/// A batch of matrices [rows, columns], each transposed.
struct Transposition {
  ConvertTransposed convert;
  std::int64_t samples, rows, columns, from_bytes, to_bytes;

  void run(const std::byte* from, std::byte* to, float factor) const {
    constexpr std::int64_t kRows = 64;
    const std::int64_t strips = (rows + kRows - 1) / kRows, plane = rows * columns;
    const std::int64_t all = samples * strips;
    const auto strip = [&](std::int64_t index) {
      const std::int64_t base = index / strips * plane, row = index % strips * kRows;
      convert(from + (base + row * columns) * from_bytes, to + (base + row) * to_bytes,
              std::min(kRows, rows - row), columns, columns, rows, factor);
    };
#pragma omp parallel for schedule(static) if (samples * plane > kGrain)
    for (std::int64_t index = 0; index < all; ++index) strip(index);
  }
};

Transposition transposition(const TensorType& type, std::int64_t samples, Form from, Form to) {
  const std::int64_t channels = type.shape[1];
  const std::int64_t plane = type.elements() / (type.shape[0] * channels);
  const bool channels_last = to.layout == Layout::ChannelsLast;
  return {best_level().convert_transposed(from.dtype, to.dtype),
          samples,
          channels_last ? channels : plane,
          channels_last ? plane : channels,
          bytes_an_element(from.dtype),
          bytes_an_element(to.dtype)};
}

void convert_all(Convert convert, const std::byte* from, std::int64_t from_bytes, std::byte* to,
                 std::int64_t to_bytes, std::int64_t count, float factor) {
  in_parallel(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
    convert(from + begin * from_bytes, to + begin * to_bytes, end - begin, factor);
  });
}

}  // namespace

int threads_in_use() { return omp_get_max_threads(); }

Slices Slices::of(std::int64_t count, std::int64_t bytes, std::int64_t least, int threads) {
  constexpr std::int64_t kCache = 1 << 20;  // bytes of scratch a core
  const std::int64_t fitting = bytes > 0 ? threads * kCache / bytes : count;
  const std::int64_t most = std::clamp<std::int64_t>(std::max(fitting, least), 1, count);
  const std::int64_t number = (count + most - 1) / most;
  return {.count = count, .size = (count + number - 1) / number, .number = number};
}

void Stages::decode(const TensorView& from, std::int64_t first, std::int64_t count, DType dtype,
                    std::byte* to) {
  const DType stored = from.type.form.dtype;
  const std::int64_t from_bytes = bytes_an_element(stored), to_bytes = bytes_an_element(dtype);
  add([convert = best_level().convert(stored, dtype), source = from.data + first * from_bytes,
       scale = from.scale, from_bytes, to_bytes, count, to] {
    convert_all(convert, source, from_bytes, to, to_bytes, count, scale != nullptr ? *scale : 1.0F);
  });
}

void Stages::decode_samples(const TensorView& from, std::int64_t first, std::int64_t samples,
                            Form form, std::byte* to) {
  if (samples == 0) return;
  const std::int64_t size = from.type.elements() / from.type.shape[0];
  if (from.type.form.layout == form.layout) {
    decode(from, first * size, samples * size, form.dtype, to);
    return;
  }
  const Transposition all = transposition(from.type, samples, from.type.form, form);
  add([all, source = from.data + first * size * all.from_bytes, scale = from.scale, to] {
    all.run(source, to, scale != nullptr ? *scale : 1.0F);
  });
}

void Stages::encode_samples(const float* from, Layout layout, const TensorView& to,
                            std::int64_t first, std::int64_t samples) {
  const Form form{DType::F32, layout}, result = to.type.form;
  const std::int64_t size = to.type.elements() / to.type.shape[0];
  const std::byte* source = reinterpret_cast<const std::byte*>(from);
  std::byte* target = to.data + first * size * bytes_an_element(result.dtype);
  if (layout == result.layout) {
    add([convert = best_level().convert(DType::F32, result.dtype), source, target,
         bytes = bytes_an_element(result.dtype),
         count = samples * size] { convert_all(convert, source, 4, target, bytes, count, 1.0F); });
    return;
  }
  add([all = transposition(to.type, samples, form, result), source, target] {
    all.run(source, target, 1.0F);
  });
}

void Stages::finish(const Epilogue& epilogue, const float* sum, DType dtype, std::byte* to,
                    std::int64_t first_row, std::int64_t rows) {
  add([epilogue, sum, to, first_row, rows, bytes = bytes_an_element(dtype),
       finish = best_level().finish(dtype)] {
    const std::int64_t columns = epilogue.columns;
    const std::int64_t grain = std::max<std::int64_t>(1, kGrain / columns);
    in_parallel(rows, grain, [&](std::int64_t begin, std::int64_t end) {
      finish(epilogue, sum + begin * columns, to + begin * columns * bytes, first_row + begin,
             end - begin);
    });
  });
}

void Stages::accumulate(const float* from, float* to, std::int64_t count) {
  add([accumulate = best_level().accumulate, from, to, count] {
    in_parallel(count, kGrain, [&](std::int64_t begin, std::int64_t end) {
      accumulate(from + begin, to + begin, end - begin);
    });
  });
}

void Stages::fill_zero(std::byte* at, std::int64_t bytes) {
  if (bytes == 0) return;
  add([at, bytes] { std::memset(at, 0, static_cast<std::size_t>(bytes)); });
}

}  // namespace mpsearch::cpu
