#include "kernels/tensor.h"

#include <cassert>

#include "kernels/error.h"

namespace mpsearch {

std::int64_t elements_of(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t dim : shape) {
    if (dim >= 0 && !__builtin_mul_overflow(product, dim, &product) && product < (1LL << 62))
      continue;
    throw Error(ErrorKind::BadContent,
                "a tensor's shape is negative or too large: " + to_string(shape));
  }
  return product;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

std::string to_string(Form form) {
  std::string text(name_of(form.dtype));
  return form.layout == Layout::ChannelsLast ? text + ":nhwc" : text;
}

std::string to_string(const TensorType& type) {
  return to_string(type.form) + to_string(type.shape);
}

Shape strides_of(const TensorType& type) {
  const std::size_t rank = type.shape.size();
  Shape strides(rank, 1);
  std::int64_t step = 1;
  const auto place = [&](std::size_t dim) {
    strides[dim] = step;
    step *= type.shape[dim];
  };
  if (type.form.layout == Layout::ChannelsLast) {
    assert(rank >= 3);
    place(1);
    for (std::size_t dim = rank; dim-- > 2;) place(dim);
    place(0);
  } else {
    for (std::size_t dim = rank; dim-- > 0;) place(dim);
  }
  return strides;
}

}  // namespace mpsearch
