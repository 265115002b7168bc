#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "kernels/cpu/level.h"
#include "kernels/error.h"
#include "runtime/backend.h"
#include "tests/cpu/call.h"

namespace mpsearch {
namespace {

TEST(CpuLevel, AProcessorBelowTheFloorIsUnavailable) {
  const cpu::CompiledLevel none[] = {{[] { return false; }, cpu::compiled_levels().front().level}};
  try {
    cpu::best_of(none);
    FAIL() << "a level was chosen";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Unavailable);
    EXPECT_NE(error.text().why.find("AVX2"), std::string::npos);
  }
}

TEST(CpuLevel, TheHighestSupportedLevelIsChosen) {
  for (const cpu::CompiledLevel& level : cpu::compiled_levels()) {
    if (!level.supported()) continue;
    EXPECT_EQ(cpu::best_level().name, level.level().name);
    return;
  }
  FAIL() << "no level runs here";
}

TEST(CpuBackend, IdentityNamesProcessorLevelAndLibraries) {
  const DeviceIdentity identity = make_backend("cpu", 2)->identity();
  EXPECT_EQ(identity.backend, "cpu");
  EXPECT_FALSE(identity.name.empty());
  EXPECT_EQ(identity.libraries.at(0).substr(0, 8), "x86-64-v");
  EXPECT_EQ(identity.libraries.at(1).substr(0, 7), "oneDNN ");
  EXPECT_NE(identity.libraries.at(1).find(", oneTBB 20"), std::string::npos);
  EXPECT_EQ(identity.threads, 2);
  EXPECT_GE(make_backend("cpu", 0)->identity().threads, 1);
}

TEST(CpuBackend, MemoryIsAlignedAndFullOfOnes) {
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  const std::shared_ptr<std::byte> memory = backend->allocate(5000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory.get()) % 4096, 0u);
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(memory.get()[i], std::byte{0xFF});
  EXPECT_NE(backend->allocate(0), nullptr);
}

TEST(CpuBackend, MoreMemoryThanThereIsNamesNeedAndLimit) {
  try {
    make_backend("cpu", 1)->allocate(1LL << 52);
    FAIL() << "4 PiB were allocated";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::OutOfMemory);
    EXPECT_NE(error.text().why.find("4503599627370496"), std::string::npos);
  }
}

TEST(CpuBackend, StepsRunInOrderAndAreTimedEach) {
  const std::unique_ptr<Backend> backend = make_backend("cpu", 2);
  std::vector<int> order;
  std::vector<BoundKernel> steps;
  for (int i = 0; i < 3; ++i) {
    steps.push_back(bound([&order, i] {
      order.push_back(i);
      if (i == 1) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }));
  }
  backend->run(steps);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  const std::vector<double> milliseconds = backend->run_timed(steps);
  ASSERT_EQ(milliseconds.size(), 3u);
  EXPECT_GE(milliseconds[1], 5.0);
}

TEST(CpuBackend, AChoiceThatIsNoCandidateIsUnavailable) {
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  test::Tensor x({{4}, {}}), y({{4}, {DType::BF16}});
  const KernelCall call{"Cast", {}, {x.type}, {y.type}};
  EXPECT_THROW(backend->bind(call, {.algorithm = "magic"}, {{x.view()}, {y.view()}, nullptr}),
               Error);
  EXPECT_TRUE(backend->candidates({"NoSuchOp", {}, {x.type}, {y.type}}).empty());
}

TEST(Backends, CudaNamesWhatWasLookedFor) {
  try {
    make_backend("cuda", 0);
    FAIL() << "a CUDA backend was made";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Unavailable);
    EXPECT_NE(error.text().why.find("libcuda.so.1"), std::string::npos);
    EXPECT_NE(error.text().why.find("libcublasLt"), std::string::npos);
  }
  EXPECT_THROW(make_backend("tpu", 0), Error);
}

}  // namespace
}  // namespace mpsearch
