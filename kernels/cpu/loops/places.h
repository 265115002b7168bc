// Places in a tensor that indices name, row by row, and for each place the list of its indices.
// Used by gather.cpp, scatter.cpp and scatter_grad.cpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/kernel.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// A tensor as [outer, rows, inner] and indices that name `count` rows of each outer part.
struct Places {
  enum class Kind { Rows, Tuples, Elements };
  Kind kind = Kind::Rows;
  std::int64_t outer = 1, rows = 1, inner = 1, count = 1;
  Shape sizes;       // Tuples: the indexed dimensions. Elements: the tensor's shape
  Shape strides;     // of the same, in rows
  Shape index_dims;  // Elements: shape of the indices
  std::size_t axis = 0;

  /// Whether all outer parts share one list of indices.
  bool shared() const { return kind == Kind::Rows; }
  std::int64_t lists() const { return shared() ? rows : outer * rows; }
  std::int64_t indices() const { return shared() ? count : outer * count; }

  /// The row that index `at` of part `part` names, or -1 where it lies outside.
  std::int64_t row(const std::int64_t* index, std::int64_t part, std::int64_t at) const {
    if (kind == Kind::Rows) return wrapped(index[at], rows);
    return kind == Kind::Tuples ? tuple(index, part * count + at) : element(index[at], at);
  }

 private:
  static std::int64_t wrapped(std::int64_t index, std::int64_t size) {
    const std::int64_t from_front = index < 0 ? index + size : index;
    return from_front < 0 || from_front >= size ? -1 : from_front;
  }

  std::int64_t tuple(const std::int64_t* index, std::int64_t at) const {
    std::int64_t place = 0;
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      const std::int64_t one = wrapped(
          index[at * static_cast<std::int64_t>(sizes.size()) + static_cast<std::int64_t>(k)],
          sizes[k]);
      if (one < 0) return -1;
      place += one * strides[k];
    }
    return place;
  }

  std::int64_t element(std::int64_t index, std::int64_t at) const {
    std::int64_t place = 0;
    for (std::size_t dim = index_dims.size(); dim-- > 0;) {
      const std::int64_t own = at % index_dims[dim];
      at /= index_dims[dim];
      const std::int64_t one = dim == axis ? wrapped(index, sizes[dim]) : own;
      if (one < 0) return -1;
      place += one * strides[dim];
    }
    return place;
  }
};

/// The places that an operator of this family names in a tensor of shape `x`.
Places places_of(const KernelCall& call, const Shape& x, const Shape& index);

/// Whether the call has `least` inputs or more, `outputs` outputs, all RowMajor, and I64 indices as
/// input `at`.
bool indexed(const KernelCall& call, std::size_t least, std::size_t outputs = 1,
             std::size_t at = 1);

/// Elements that show that an index lay outside: NaN, or 0 in integers.
void write_bad(const TensorView& y, std::int64_t at, std::int64_t count);

/// For every row the indices that name it, in their order. Lives in the workspace.
struct Lists {
  std::int32_t* begin;  // of each list, one more than lists
  std::int32_t* order;  // index numbers
  bool* bad;            // whether an index lay outside

  static std::int64_t bytes(const Places& places) {
    return 4 * (places.lists() + 1 + places.indices()) + 4;
  }
  static bool fit(const Places& places) {
    constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
    return places.lists() < kMost && places.indices() < kMost;
  }

  Lists(const Places& places, std::byte* workspace)
      : begin(reinterpret_cast<std::int32_t*>(workspace)),
        order(begin + places.lists() + 1),
        bad(reinterpret_cast<bool*>(order + places.indices())) {}

  void fill(const Places& places, const std::int64_t* index) const {
    const std::int64_t lists = places.lists(), parts = places.shared() ? 1 : places.outer;
    std::fill_n(begin, lists + 1, 0);
    *bad = false;
    const auto list_of = [&](std::int64_t part, std::int64_t at) {
      const std::int64_t row = places.row(index, part, at);
      return row < 0 ? -1 : part * places.rows + row;
    };
    for (std::int64_t part = 0; part < parts; ++part) {
      for (std::int64_t at = 0; at < places.count; ++at) {
        const std::int64_t list = list_of(part, at);
        if (list < 0) {
          *bad = true;
        } else {
          ++begin[list];
        }
      }
    }
    std::int32_t sum = 0;
    for (std::int64_t list = 0; list <= lists; ++list) sum += std::exchange(begin[list], sum);
    for (std::int64_t part = 0; part < parts; ++part) {
      for (std::int64_t at = 0; at < places.count; ++at) {
        const std::int64_t list = list_of(part, at);
        if (list >= 0) order[begin[list]++] = static_cast<std::int32_t>(part * places.count + at);
      }
    }
    for (std::int64_t list = lists; list > 0; --list) begin[list] = begin[list - 1];
    begin[0] = 0;
  }
};

/// Calls f(row of all outer parts, first element, elements), rows in parallel, each in pieces of at
/// most `piece` elements.
template <class F>
void for_each_piece(const Places& places, std::int64_t piece, const F& f) {
  const std::int64_t inner = places.inner;
  const std::int64_t block = std::max<std::int64_t>(1, kBlock / std::max<std::int64_t>(1, inner));
  for_each_block(places.outer * places.rows, block,
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     for (std::int64_t at = 0; at < inner; at += piece) {
                       f(row, at, std::min(piece, inner - at));
                     }
                   }
                 });
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
