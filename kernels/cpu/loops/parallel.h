// The one way in which loops run on many threads. Used by every driver in this folder.
#pragma once

#include <algorithm>
#include <cstdint>

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {

/// Elements of a block of cheap arithmetic: large enough to hide the start of a task.
inline constexpr std::int64_t kBlock = 16384;

/// Calls f(index, begin, end) for every block of `block` indices of [0, count), the last one
/// shorter, in parallel. The blocks depend on `count` and `block` alone: a reduction that keeps one
/// partial result a block and folds them in order gives the same bits for any number of threads.
template <class F>
void for_each_block(std::int64_t count, std::int64_t block, const F& f) {
  const std::int64_t blocks = (count + block - 1) / block;
  const auto run = [&](std::int64_t index) {
    f(index, index * block, std::min(count, (index + 1) * block));
  };
  if (blocks <= 1) {
    if (blocks == 1) run(0);
    return;
  }
  tbb::parallel_for(
      tbb::blocked_range<std::int64_t>(0, blocks),
      [&](const tbb::blocked_range<std::int64_t>& range) {
        for (std::int64_t index = range.begin(); index < range.end(); ++index) run(index);
      },
      tbb::static_partitioner());
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
