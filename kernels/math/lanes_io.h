// How Lanes reads and writes W elements at once: straight from memory, from padded copies at the
// end of a row, or as bits. Used by lanes.h alone.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/math/group.h"

namespace mpsearch::lanes {

/// W elements by value: the padded last part of a row, or expanded bits.
template <class T, int W>
struct Block {
  T v[W];
  const T& operator[](int lane) const { return v[lane]; }
};

template <int W, class T>
const T* open(const T* data, std::int64_t first) {
  return data + first;
}

/// The last `count` < W elements, padded by zeros.
template <int W, class T>
Block<T, W> open_part(const T* data, std::int64_t first, int count) {
  Block<T, W> block{};
  std::memcpy(block.v, data + first, sizeof(T) * static_cast<std::size_t>(count));
  return block;
}

template <int W>
Block<float, W> open_part(ConstBits bits, std::int64_t first, int count) {
  std::uint32_t words[W / 32] = {};
  std::memcpy(words, bits.data + first / 8, static_cast<std::size_t>(count + 7) / 8);
  Block<float, W> block;
  for (int word = 0; word < W / 32; ++word) {
    for (int bit = 0; bit < 32; ++bit) {
      block.v[32 * word + bit] = static_cast<float>((words[word] >> bit) & 1u);
    }
  }
  return block;
}

template <int W>
Block<float, W> open(ConstBits bits, std::int64_t first) {
  return open_part<W>(bits, first, W);
}

/// Where W results of one output go.
template <class T>
struct Sink {
  T* data;
  void put(int lane, float value) { data[lane] = encode<T>(value); }
  void close() {}
};

template <class T, int W>
struct PartSink {
  T* data;
  int count;
  T v[W];
  void put(int lane, float value) { v[lane] = encode<T>(value); }
  void close() { std::memcpy(data, v, sizeof(T) * static_cast<std::size_t>(count)); }
};

template <int W>
struct BitSink {
  std::uint8_t* data;
  int count;
  std::uint32_t v[W];
  void put(int lane, float value) { v[lane] = value != 0.0F ? 1u : 0u; }
  void close() {
    std::uint32_t words[W / 32];
    for (int word = 0; word < W / 32; ++word) {
      std::uint32_t packed = 0;
      for (int bit = 0; bit < 32; ++bit) packed |= v[32 * word + bit] << bit;
      words[word] = packed;
    }
    // Bits past the end of the row are written as 0.
    if (count < W) {
      const std::uint32_t last = words[count / 32];
      words[count / 32] = last & ((1u << (count % 32)) - 1u);
    }
    std::memcpy(data, words, static_cast<std::size_t>(count + 7) / 8);
  }
};

template <int W, class T>
Sink<T> sink(T* data, std::int64_t first) {
  return {data + first};
}
template <int W>
BitSink<W> sink(Bits bits, std::int64_t first) {
  return {bits.data + first / 8, W, {}};
}
template <int W, class T>
PartSink<T, W> part_sink(T* data, std::int64_t first, int count) {
  return {data + first, count, {}};
}
template <int W>
BitSink<W> part_sink(Bits bits, std::int64_t first, int count) {
  return {bits.data + first / 8, count, {}};
}

/// Out{f(output)...}.
template <class F>
Out<> transform(const Out<>& /*end*/, F /*f*/) {
  return {};
}
template <class F, class Head, class... Tail>
auto transform(const Out<Head, Tail...>& out, F f) {
  return Out<decltype(f(out.head)), decltype(f(std::declval<Tail>()))...>{f(out.head),
                                                                          transform(out.tail, f)};
}

/// Hands the k-th value to the k-th output.
template <int k = 0, int n, class Head, class... Tail>
void put(Out<Head, Tail...>& out, int lane, const Values<n>& values) {
  out.head.put(lane, values.v[k]);
  if constexpr (sizeof...(Tail) > 0) put<k + 1>(out.tail, lane, values);
}
template <class Head>
void put(Out<Head>& out, int lane, float value) {
  out.head.put(lane, value);
}

inline void close(Out<>& /*end*/) {}
template <class Head, class... Tail>
void close(Out<Head, Tail...>& out) {
  out.head.close();
  close(out.tail);
}

}  // namespace mpsearch::lanes
