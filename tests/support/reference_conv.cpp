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
  const auto at = [](std::int64_t row, std::int64_t channel, std::int64_t channels, Triple size,
                     Triple index) {
    const std::int64_t plane = row * channels + channel;
    return static_cast<std::size_t>(((plane * size[0] + index[0]) * size[1] + index[1]) * size[2] +
                                    index[2]);
  };
  const auto each = [](Triple size, auto body) {
    for (std::int64_t i = 0; i < size[0]; ++i) {
      for (std::int64_t j = 0; j < size[1]; ++j) {
        for (std::int64_t k = 0; k < size[2]; ++k) body(Triple{i, j, k});
      }
    }
  };
  for (std::int64_t n = 0; n < x[0]; ++n) {
    for (std::int64_t m = 0; m < w[0]; ++m) {
      const std::int64_t first_channel = m / (w[0] / groups) * w[1];
      for (std::int64_t c = 0; c < w[1]; ++c) {
        each(out, [&](Triple o) {
          each(kernel, [&](Triple k) {
            Triple i{};
            for (std::size_t d = 0; d < 3; ++d) {
              i[d] = o[d] * stride[d] + k[d] * dilation[d] - pad[d];
              if (i[d] < 0 || i[d] >= in[d]) return;
            }
            f(at(n, m, y[1], out, o), at(n, first_channel + c, x[1], in, i),
              at(m, c, w[1], kernel, k));
          });
        });
      }
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
          {"BiasGrad", bias_grad}};
}

}  // namespace mpsearch::reference
