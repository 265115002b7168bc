#include "runtime/host_tensor.h"

#include <cstring>
#include <string>

#include "kernels/error.h"
#include "kernels/number/convert.h"

namespace mpsearch {
namespace {

template <class T>
std::vector<float> decoded(std::span<const std::byte> content, std::size_t elements, float scale) {
  std::vector<float> numbers(elements);
  for (std::size_t i = 0; i < elements; ++i) {
    T stored;
    std::memcpy(&stored, content.data() + i * sizeof(T), sizeof stored);
    numbers[i] = decode(stored) * scale;
  }
  return numbers;
}

std::vector<float> in_storage_order(std::span<const std::byte> content, const TensorType& type,
                                    float scale) {
  const auto elements = static_cast<std::size_t>(type.elements());
  switch (type.form.dtype) {
    case DType::F32:
      return decoded<float>(content, elements, 1);
    case DType::BF16:
      return decoded<BF16>(content, elements, 1);
    case DType::F16:
      return decoded<F16>(content, elements, 1);
    case DType::F8E4M3:
      return decoded<F8E4M3>(content, elements, scale);
    case DType::F8E5M2:
      return decoded<F8E5M2>(content, elements, scale);
    default:
      break;
  }
  throw Error(ErrorKind::Internal,
              "to_host() of a tensor of " + std::string(name_of(type.form.dtype)));
}

}  // namespace

std::vector<float> to_host(std::span<const std::byte> content, const TensorType& type,
                           float scale) {
  std::vector<float> stored = in_storage_order(content, type, scale);
  if (type.form.layout == Layout::RowMajor) return stored;
  const Shape strides = strides_of(type);
  std::vector<float> ordered(stored.size());
  Shape at(type.shape.size(), 0);
  std::int64_t from = 0;
  for (float& number : ordered) {
    number = stored[static_cast<std::size_t>(from)];
    for (std::size_t dim = at.size(); dim-- > 0;) {
      from += strides[dim];
      if (++at[dim] < type.shape[dim]) break;
      from -= at[dim] * strides[dim];
      at[dim] = 0;
    }
  }
  return ordered;
}

}  // namespace mpsearch
