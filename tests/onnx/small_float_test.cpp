// Elements of 8, 4 and 2 bits: against the number formats that training uses, and against ONNX's
// own tables.
#include "models/onnx/small_float.h"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>

#include "kernels/number/convert.h"
#include "kernels/number/fp8.h"
#include "models/onnx/host_tensor.h"

namespace mpsearch {
namespace {

using onnx::TensorProto;

template <class Format>
void expect_format(int type) {
  for (int bits = 0; bits < 256; ++bits) {
    const auto code = static_cast<std::uint8_t>(bits);
    const double value = small_float_value(type, code);
    const float wanted = to_float(Format{code});
    EXPECT_TRUE(value == wanted || (std::isnan(value) && std::isnan(wanted))) << bits;
  }
  for (int i = -4000; i <= 4000; ++i) {
    const auto value = static_cast<float>(i * std::fabs(i) * 1e-4);
    EXPECT_EQ(to_small_float(type, value, true), to_float(encode<Format>(value))) << value;
  }
}

TEST(SmallFloat, Fp8IsWhatTrainingUses) {
  expect_format<F8E4M3>(TensorProto::FLOAT8E4M3FN);
  expect_format<F8E5M2>(TensorProto::FLOAT8E5M2);
}

TEST(SmallFloat, EveryCodeKeepsItsValue) {
  for (const int type :
       {TensorProto::FLOAT8E4M3FN, TensorProto::FLOAT8E4M3FNUZ, TensorProto::FLOAT8E5M2,
        TensorProto::FLOAT8E5M2FNUZ, TensorProto::FLOAT4E2M1, TensorProto::FLOAT8E8M0}) {
    for (int code = 0; code < (type == TensorProto::FLOAT4E2M1 ? 16 : 256); ++code) {
      const double value = small_float_value(type, static_cast<std::uint8_t>(code));
      if (std::isnan(value)) continue;
      EXPECT_EQ(to_small_float(type, value, false), value) << type << ": " << code;
    }
  }
}

/// onnx.ai/onnx/technical/float8.html
TEST(SmallFloat, BeyondTheRange) {
  EXPECT_EQ(to_small_float(TensorProto::FLOAT8E4M3FN, 1e6, true), 448);
  EXPECT_TRUE(std::isnan(to_small_float(TensorProto::FLOAT8E4M3FN, 1e6, false)));
  EXPECT_EQ(to_small_float(TensorProto::FLOAT8E4M3FNUZ, -1e6, true), -240);
  EXPECT_TRUE(std::isinf(to_small_float(TensorProto::FLOAT8E5M2, 1e6, false)));
  EXPECT_TRUE(std::isnan(to_small_float(TensorProto::FLOAT8E5M2FNUZ, 1e6, false)));
}

TEST(PackedElements, AreReadFromTheLowestBits) {
  TensorProto tensor;
  tensor.set_data_type(TensorProto::INT4);
  tensor.add_dims(3);
  tensor.set_raw_data(std::string("\xF1\x07", 2));
  EXPECT_EQ(host_tensor(tensor).integers, (std::vector<std::int64_t>{1, -1, 7}));
  tensor.set_data_type(TensorProto::UINT2);
  tensor.set_raw_data(std::string("\x39", 1));
  EXPECT_EQ(host_tensor(tensor).integers, (std::vector<std::int64_t>{1, 2, 3}));
}

}  // namespace
}  // namespace mpsearch
