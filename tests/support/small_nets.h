// Small models built by hand, for tests of everything between import and kernels.
#pragma once

#include "models/model.h"

namespace mpsearch::testing {

/// conv-bn-relu, a residual block of two convolutions, max pooling, two linear layers, 5 classes.
/// Input [batch, 3, 8, 8]. Parameters are pseudo-random.
Model residual_net(std::int64_t batch);

/// Linear-relu-linear on [batch, 12], `classes` outputs.
Model mlp_net(std::int64_t batch, std::int64_t classes);

/// As the start of a generator: linear, reshaped to an image, relu, convolution, linear; 5 classes.
Model generator_net(std::int64_t batch);

/// As ALBERT's layers: three times x + linear(relu(linear(x))) with the same two weights, the
/// second of them through a Transpose the third time; then a linear layer, 5 classes.
Model tied_net(std::int64_t batch);

}  // namespace mpsearch::testing
