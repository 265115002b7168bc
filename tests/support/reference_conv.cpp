// Convolution and its gradients: one loop over all products, used three times.
#include <array>

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

using Triple = std::array<std::int64_t, 3>;

/// The last three spatial dimensions of up to three, filled up with `otherwise` in front.
Triple last_three(const Shape& values, std::int64_t otherwise) {
  Triple triple{otherwise, otherwise, otherwise};
  for (std::size_t i = 0; i < values.size(); ++i) triple[3 - values.size() + i] = values[i];
  return triple;
}

Shape spatial(const Shape& shape) { return {shape.begin() + 2, shape.end()}; }

Triple attribute(const Call& call, const char* name, std::size_t rank, std::int64_t otherwise) {
  Shape values = call.call.attributes.integers(name);
  values.resize(rank, otherwise);  // pads: the first half, at the begins
  return last_three(values, otherwise);
}

/// Calls f(position in y, in x, in w) for every product of y = conv(x, w).
template <class F>
void for_each_product(const Call& call, const Shape& x, const Shape& w, const Shape& y, F f) {
  const std::size_t rank = x.size() - 2;
  const std::int64_t groups = call.integer("group", 1);
  const Triple stride = attribute(call, "strides", rank, 1);
  const Triple dilation = attribute(call, "dilations", rank, 1);
  const Triple pad = attribute(call, "pads", rank, 0);
  const Triple in = last_three(spatial(x), 1);
  const Triple out = last_three(spatial(y), 1);
  const Triple kernel = last_three(spatial(w), 1);
  const auto inside = [&](std::size_t d, std::int64_t i) { return i >= 0 && i < in[d]; };
  const auto from = [&](std::size_t d, std::int64_t o, std::int64_t k) {
    return o * stride[d] + k * dilation[d] - pad[d];
  };
  std::size_t weight = 0;  // the loops over m, c, k walk w in its order
  for (std::int64_t m = 0; m < w[0]; ++m) {
    for (std::int64_t c = 0; c < w[1]; ++c) {
      const std::int64_t channel = m / (w[0] / groups) * w[1] + c;
      for_each_index({kernel[0], kernel[1], kernel[2]}, [&](const Shape& k) {
        for_each_index({x[0], out[0], out[1]}, [&](const Shape& row) {
          const std::int64_t i = from(0, row[1], k[0]);
          const std::int64_t j = from(1, row[2], k[1]);
          if (!inside(0, i) || !inside(1, j)) return;
          const std::int64_t x_row = (((row[0] * x[1] + channel) * in[0] + i) * in[1] + j) * in[2];
          const std::int64_t y_row =
              (((row[0] * y[1] + m) * out[0] + row[1]) * out[1] + row[2]) * out[2];
          for (std::int64_t o = 0; o < out[2]; ++o) {
            const std::int64_t l = from(2, o, k[2]);
            if (!inside(2, l)) continue;
            f(static_cast<std::size_t>(y_row + o), static_cast<std::size_t>(x_row + l), weight);
          }
        });
        ++weight;
      });
    }
  }
}

std::vector<Numbers> conv(const Call& call) {
  const Shape& y_shape = call.call.outputs[0].shape;
  Numbers y(count_of(y_shape), 0);
  if (call.inputs.size() > 2) {
    for_each_index(y_shape, [&](const Shape& index) {
      y[position(y_shape, index)] = call.inputs[2][static_cast<std::size_t>(index[1])];
    });
  }
  for_each_product(call, call.shape(0), call.shape(1), y_shape,
                   [&](std::size_t out, std::size_t in, std::size_t weight) {
                     y[out] += call.inputs[0][in] * call.inputs[1][weight];
                   });
  return {y};
}

std::vector<Numbers> grad_input(const Call& call) {
  const Shape x = call.call.attributes.integers("input_shape");
  Numbers dx(count_of(x), 0);
  for_each_product(call, x, call.shape(1), call.shape(0),
                   [&](std::size_t out, std::size_t in, std::size_t weight) {
                     dx[in] += call.inputs[0][out] * call.inputs[1][weight];
                   });
  return {dx};
}

/// Scatters what a convolution would gather.
std::vector<Numbers> conv_transpose(const Call& call) {
  const Shape& y_shape = call.call.outputs[0].shape;
  Numbers y(count_of(y_shape), 0);
  for_each_product(call, y_shape, call.shape(1), call.shape(0),
                   [&](std::size_t from, std::size_t to, std::size_t weight) {
                     y[to] += call.inputs[0][from] * call.inputs[1][weight];
                   });
  if (call.inputs.size() > 2) {
    for_each_index(y_shape, [&](const Shape& index) {
      y[position(y_shape, index)] += call.inputs[2][static_cast<std::size_t>(index[1])];
    });
  }
  return {y};
}

std::vector<Numbers> grad_weight(const Call& call) {
  const Shape w = call.call.attributes.integers("weight_shape");
  Numbers dw(count_of(w), 0);
  for_each_product(call, call.shape(0), w, call.shape(1),
                   [&](std::size_t out, std::size_t in, std::size_t weight) {
                     dw[weight] += call.inputs[1][out] * call.inputs[0][in];
                   });
  return {dw};
}

std::vector<Numbers> bias_grad(const Call& call) {
  const auto axis = static_cast<std::size_t>(call.integer("axis", 0));
  const Shape& shape = call.shape(0);
  Numbers db(static_cast<std::size_t>(shape[axis]), 0);
  for_each_index(shape, [&](const Shape& index) {
    db[static_cast<std::size_t>(index[axis])] += call.inputs[0][position(shape, index)];
  });
  return {db};
}

}  // namespace

std::vector<Definition> conv_definitions() {
  return {{"Conv", conv},
          {"ConvGradInput", grad_input},
          {"ConvGradWeight", grad_weight},
          {"ConvTranspose", conv_transpose},
          {"BiasGrad", bias_grad}};
}

}  // namespace mpsearch::reference
