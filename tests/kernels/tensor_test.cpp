#include "kernels/tensor.h"

#include <gtest/gtest.h>

#include "kernels/error.h"

namespace mpsearch {
namespace {

TEST(Tensor, StridesFollowTheLayout) {
  const Shape shape{2, 3, 4, 5};
  EXPECT_EQ(strides_of({shape, {DType::F32, Layout::RowMajor}}), (Shape{60, 20, 5, 1}));
  EXPECT_EQ(strides_of({shape, {DType::F32, Layout::ChannelsLast}}), (Shape{60, 1, 15, 3}));
}

TEST(Tensor, BitsRoundUpToBytes) {
  const TensorType mask{{3, 3}, {DType::BIT, Layout::RowMajor}};
  EXPECT_EQ(mask.bytes(), 2);
}

TEST(Tensor, AShapeThatOverflowsIsRefused) {
  EXPECT_THROW(elements_of({1LL << 40, 1LL << 40}), Error);
  EXPECT_THROW(elements_of({-1}), Error);
}

}  // namespace
}  // namespace mpsearch
