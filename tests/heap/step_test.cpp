// A training step takes nothing from the heap: every allocation of the process is counted
// (numerics.md, section 8). A program of its own, because it replaces malloc.
//
// oneDNN's dnnl_primitive_execute copies its arguments' list to the heap on every call and frees it
// before it returns; nothing in its interface avoids that. Such blocks are counted apart: they must
// be few and small, so that no tensor hides among them.
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "models/precision.h"
#include "runtime/backend.h"
#include "runtime/session.h"
#include "tests/support/print.h"
#include "tests/support/small_nets.h"

namespace {

std::atomic<std::int64_t> ours{0};
std::atomic<std::int64_t> largest_of_onednn{0};
std::atomic<bool> in_onednn{false};  // its own threads included: nothing else runs meanwhile

void count(std::size_t size) {
  if (!in_onednn) {
    ++ours;
    return;
  }
  const auto bytes = static_cast<std::int64_t>(size);
  std::int64_t largest = largest_of_onednn;
  while (bytes > largest && !largest_of_onednn.compare_exchange_weak(largest, bytes)) {
  }
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) {
  count(size);
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
  count(number * size);
  return __libc_calloc(number, size);
}
void* realloc(void* old, std::size_t size) {
  count(size);
  return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count(size);
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
  *out = memalign(alignment, size);
  return *out == nullptr ? ENOMEM : 0;
}

dnnl_status_t dnnl_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream,
                                     int count, const dnnl_exec_arg_t* arguments) {
  static const auto next = reinterpret_cast<decltype(&dnnl_primitive_execute)>(
      dlsym(RTLD_NEXT, "dnnl_primitive_execute"));
  in_onednn = true;
  const dnnl_status_t status = next(primitive, stream, count, arguments);
  in_onednn = false;
  return status;
}
}

namespace mpsearch::testing {
namespace {

constexpr std::int64_t kArgumentList = 1024;  // bytes

class Step : public ::testing::TestWithParam<Precision> {
 protected:
  /// Allocations outside oneDNN in each of ten steps, the first of them the very first.
  static std::vector<std::int64_t> counts(const Model& model, std::vector<Precision> precision) {
    const std::unique_ptr<Backend> backend = make_backend("cpu", 2);
    TrainingOptions options;
    options.optimizer.kind = OptimizerKind::AdamW;
    const ChooseKernel first = [&](const KernelCall& call) {
      const std::vector<KernelChoice> candidates = backend->candidates(call);
      require(!candidates.empty(), ErrorKind::Unavailable, "no kernel for a call of this net");
      return candidates.front();
    };
    Session session(prepare(model, options, precision, first), *backend);
    std::vector<std::int64_t> out;
    out.reserve(10);
    for (std::uint64_t attempt = 0; attempt < 10; ++attempt) {
      if (attempt == 1) largest_of_onednn = 0;
      const std::int64_t before = ours;
      session.step({1, attempt, 1e-3F});
      out.push_back(ours - before);
    }
    return out;
  }

  static void expect_none(const Model& model) {
    const std::vector<Precision> precision(model.graph.layers.size(), GetParam());
    const std::vector<std::int64_t> found = counts(model, precision);
    for (std::size_t i = 1; i < found.size(); ++i) EXPECT_EQ(found[i], 0) << "step " << i + 1;
    EXPECT_LE(largest_of_onednn, kArgumentList);
  }
};

TEST_P(Step, OfAConvolutionalNetTakesNothingFromTheHeap) { expect_none(testing::residual_net(16)); }

TEST_P(Step, OfAPerceptronTakesNothingFromTheHeap) { expect_none(mlp_net(64, 10)); }

TEST(Heap, AllocationsAreSeenByTheHook) {
  const std::int64_t before = ours;
  const std::vector<int> vector(1000);
  EXPECT_GT(ours, before) << vector.size();
}

INSTANTIATE_TEST_SUITE_P(Tiers, Step,
                         ::testing::Values(Precision::FP32, Precision::BF16, Precision::FP16,
                                           Precision::FP8),
                         [](const auto& info) { return std::string(name_of(info.param)); });

}  // namespace
}  // namespace mpsearch::testing
