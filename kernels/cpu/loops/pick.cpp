#include "kernels/cpu/loops/pick.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::size_t kMostRuns = 4096;  // of a row

using Collect = void (*)(const std::byte* from, std::int64_t step, std::byte* to,
                         std::int64_t count);

template <class T>
void collect(const std::byte* from, std::int64_t step, std::byte* to, std::int64_t count) {
  const T* source = reinterpret_cast<const T*>(from);
  T* __restrict target = reinterpret_cast<T*>(to);
  for (std::int64_t i = 0; i < count; ++i) target[i] = source[i * step];
}

Collect collect_of(std::int64_t bytes) {
  switch (bytes) {
    case 1:
      return collect<std::uint8_t>;
    case 2:
      return collect<std::uint16_t>;
    case 4:
      return collect<std::uint32_t>;
    default:
      return collect<std::uint64_t>;
  }
}

struct Pick {
  TensorView x, y;
  std::vector<std::vector<std::int64_t>> outer;  // offsets of the dimensions around a row
  Runs row;
  std::vector<std::int64_t> begins;  // where in the row each run begins
  std::int64_t rows, columns;
  std::int64_t x_bytes, y_bytes;
  Convert convert;  // null: the bits are copied
  Collect collect;
  std::byte fill[8];  // one element of y

  void operator()() const {
    const std::int64_t across = (columns + kBlock - 1) / kBlock;
    const std::int64_t width = std::min(columns, kBlock);
    for_each_block(rows * across,
                   std::max<std::int64_t>(1, kBlock / std::max<std::int64_t>(1, width)),
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t i = begin; i < end; ++i) {
                       const std::int64_t column = i % across * width;
                       run(i / across, column, std::min(columns, column + width));
                     }
                   });
  }

 private:
  std::int64_t base_of(std::int64_t row_index) const {
    std::int64_t base = 0;
    for (std::size_t dim = outer.size(); dim-- > 0;) {
      const auto size = static_cast<std::int64_t>(outer[dim].size());
      const std::int64_t offset = outer[dim][static_cast<std::size_t>(row_index % size)];
      if (offset < 0) return -1;
      base += offset;
      row_index /= size;
    }
    return base;
  }

  void run(std::int64_t row_index, std::int64_t begin, std::int64_t end) const {
    const std::int64_t base = base_of(row_index);
    std::byte* to = y.data + (row_index * columns + begin) * y_bytes;
    if (base < 0) return repeat(to, end - begin);
    auto at = static_cast<std::size_t>(std::upper_bound(begins.begin(), begins.end(), begin) -
                                       begins.begin()) -
              1;
    for (std::int64_t done = begin; done < end; ++at) {
      const Run& part = row[at];
      const std::int64_t skip = done - begins[at];
      const std::int64_t count = std::min(part.count - skip, end - done);
      if (part.offset < 0) {
        repeat(to, count);
      } else {
        move(x.data + (base + part.offset + skip * part.step) * x_bytes, part.step, to, count);
      }
      to += count * y_bytes;
      done += count;
    }
  }

  void repeat(std::byte* to, std::int64_t count) const { collect_of(y_bytes)(fill, 0, to, count); }

  void move(const std::byte* from, std::int64_t step, std::byte* to, std::int64_t count) const {
    if (convert == nullptr) {
      if (step == 1 || count == 1) {
        std::memcpy(to, from, static_cast<std::size_t>(count * x_bytes));
      } else {
        collect(from, step, to, count);
      }
      return;
    }
    const float factor = x.scale != nullptr ? *x.scale : 1.0F;
    if (step == 1) return convert(from, to, count, factor);
    alignas(64) std::byte buffer[kChunk * 8];
    for (std::int64_t done = 0; done < count; done += kChunk) {
      const std::int64_t part = std::min(kChunk, count - done);
      collect(from + done * step * x_bytes, step, buffer, part);
      convert(buffer, to + done * y_bytes, part, factor);
    }
  }
};

/// A dimension around the runs of another, or nothing where that needs too many.
std::optional<Runs> around(const Runs& outer, const Runs& inner) {
  const bool scalar = inner.size() == 1 && inner[0].count == 1 && inner[0].offset == 0;
  if (scalar && outer.size() <= kMostRuns) return outer;
  Runs joined;
  for (const Run& run : outer) {
    if (run.offset < 0) {
      append(joined, {run.count * count_of(inner), -1, 0});
      continue;
    }
    if (inner.size() == 1 && inner[0].offset >= 0 && inner[0].count * inner[0].step == run.step) {
      append(joined, {run.count * inner[0].count, run.offset + inner[0].offset, inner[0].step});
      continue;
    }
    for (std::int64_t i = 0; i < run.count; ++i) {
      for (Run next : inner) {
        if (next.offset >= 0) next.offset += run.offset + i * run.step;
        append(joined, next);
      }
      if (joined.size() > kMostRuns) return std::nullopt;
    }
  }
  return joined;
}

std::vector<std::int64_t> offsets_of(const Runs& runs) {
  std::vector<std::int64_t> offsets;
  for (const Run& run : runs) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      offsets.push_back(run.offset < 0 ? -1 : run.offset + i * run.step);
    }
  }
  return offsets;
}

}  // namespace

void append(Runs& runs, Run next) {
  if (next.count == 0) return;
  if (next.count == 1) next.step = 0;
  if (runs.empty()) return runs.push_back(next);
  Run& last = runs.back();
  const bool both_fill = last.offset < 0 && next.offset < 0;
  const std::int64_t apart = next.offset - last.offset;
  const std::int64_t step = last.count == 1 ? apart : last.step;
  const bool continues = last.offset >= 0 && next.offset >= 0 && apart == last.count * step &&
                         (next.count == 1 || next.step == step);
  if (both_fill || continues) {
    last.count += next.count;
    if (continues) last.step = step;
  } else {
    runs.push_back(next);
  }
}

std::int64_t count_of(const Runs& runs) {
  std::int64_t count = 0;
  for (const Run& run : runs) count += run.count;
  return count;
}

bool can_move(DType from, DType to) {
  return from == to ? bits_of(from) >= 8 : has_storage(from) && is_carrier(to);
}

BoundKernel pick_kernel(const TensorView& x, const TensorView& y, const std::vector<Runs>& dims,
                        double fill) {
  const DType from = x.type.form.dtype, to = y.type.form.dtype;
  Pick pick{.x = x,
            .y = y,
            .outer = {},
            .row = {{1, 0, 0}},
            .begins = {},
            .rows = 1,
            .columns = 1,
            .x_bytes = bits_of(from) / 8,
            .y_bytes = bits_of(to) / 8,
            .convert = from == to ? nullptr : convert_of(from, to),
            .collect = collect_of(bits_of(from) / 8),
            .fill = {}};
  std::size_t left = dims.size();
  for (; left > 0; --left) {
    std::optional<Runs> joined = around(dims[left - 1], pick.row);
    if (!joined) break;
    pick.row = std::move(*joined);
  }
  for (std::size_t dim = 0; dim < left; ++dim) pick.outer.push_back(offsets_of(dims[dim]));
  for (const Run& run : pick.row) {
    pick.begins.push_back(pick.begins.empty() ? 0 : pick.columns);
    pick.columns = pick.begins.back() + run.count;
  }
  if (pick.row.empty()) pick.columns = 0;
  for (const auto& offsets : pick.outer) pick.rows *= static_cast<std::int64_t>(offsets.size());
  if (has_storage(to)) {
    const auto value = static_cast<float>(fill);
    convert_of(DType::F32, to)(reinterpret_cast<const std::byte*>(&value), pick.fill, 1, 1.0F);
  } else {
    const auto value = static_cast<std::int64_t>(fill);
    std::memcpy(pick.fill, &value, sizeof value);
  }
  return bound(std::move(pick));
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
