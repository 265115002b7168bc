// Layer, RMS and group normalization: each element belongs to a row (or group) with statistics, and
// to a parameter. One definition serves all three.
#include <cmath>

#include "tests/support/index.h"
#include "tests/support/reference.h"

namespace mpsearch::reference {
namespace {

/// Row and parameter of every element of x, in order.
struct Places {
  std::vector<std::size_t> row, parameter;
  std::size_t rows = 0, parameters = 0;
};

Places of_rows(const Call& call, const Shape& x) {
  std::size_t length = 1;
  for (auto d = static_cast<std::size_t>(call.integer("axis", 0)); d < x.size(); ++d) {
    length *= static_cast<std::size_t>(x[d]);
  }
  Places places;
  places.parameters = length;
  places.rows = count_of(x) / length;
  for (std::size_t i = 0; i < count_of(x); ++i) {
    places.row.push_back(i / length);
    places.parameter.push_back(i % length);
  }
  return places;
}

Places of_groups(const Call& call, const Shape& x) {
  const std::int64_t groups = call.integer("num_groups", 1);
  Places places;
  places.parameters = static_cast<std::size_t>(x[1]);
  places.rows = static_cast<std::size_t>(x[0] * groups);
  for_each_index(x, [&](const Shape& index) {
    places.row.push_back(static_cast<std::size_t>(index[0] * groups + index[1] / (x[1] / groups)));
    places.parameter.push_back(static_cast<std::size_t>(index[1]));
  });
  return places;
}

/// y, then mean where `Centred`, then 1 / sqrt(variance + epsilon), of every row.
template <auto PlacesOf, bool Centred>
std::vector<Numbers> forward(const Call& call) {
  const Numbers& x = call.inputs[0];
  const Places at = PlacesOf(call, call.shape(0));
  const double count = static_cast<double>(x.size()) / static_cast<double>(at.rows);
  Numbers mean(at.rows, 0), variance(at.rows, 0), invstd(at.rows), y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) mean[at.row[i]] += Centred ? x[i] / count : 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    variance[at.row[i]] += std::pow(x[i] - mean[at.row[i]], 2) / count;
  }
  for (std::size_t r = 0; r < at.rows; ++r) {
    invstd[r] = 1 / std::sqrt(variance[r] + call.number("epsilon", 1e-5));
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double beta = call.inputs.size() > 2 ? call.inputs[2][at.parameter[i]] : 0;
    y[i] = (x[i] - mean[at.row[i]]) * invstd[at.row[i]] * call.inputs[1][at.parameter[i]] + beta;
  }
  return Centred ? std::vector{y, mean, invstd} : std::vector{y, invstd};
}

/// dx = invstd (g - mean(g) - x_hat mean(g x_hat)) with g = dy gamma (without mean(g) where not
/// `Centred`), dgamma = sum dy x_hat, dbeta = sum dy.
template <auto PlacesOf, bool Centred>
std::vector<Numbers> grad(const Call& call) {
  const Numbers &dy = call.inputs[0], &x = call.inputs[1], &gamma = call.inputs[2];
  const Numbers& invstd = call.inputs[Centred ? 4 : 3];
  const Places at = PlacesOf(call, call.shape(1));
  const double count = static_cast<double>(x.size()) / static_cast<double>(at.rows);
  Numbers hat(x.size()), slope(at.rows, 0), product(at.rows, 0);
  Numbers dx(x.size()), dgamma(at.parameters, 0), dbeta(at.parameters, 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    hat[i] = (x[i] - (Centred ? call.inputs[3][at.row[i]] : 0)) * invstd[at.row[i]];
    const double g = dy[i] * gamma[at.parameter[i]];
    slope[at.row[i]] += Centred ? g / count : 0;
    product[at.row[i]] += g * hat[i] / count;
    dgamma[at.parameter[i]] += dy[i] * hat[i];
    dbeta[at.parameter[i]] += dy[i];
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t r = at.row[i];
    dx[i] = invstd[r] * (dy[i] * gamma[at.parameter[i]] - slope[r] - hat[i] * product[r]);
  }
  return Centred ? std::vector{dx, dgamma, dbeta} : std::vector{dx, dgamma};
}

}  // namespace

std::vector<Definition> row_norm_definitions() {
  return {
      {"LayerNormalization", forward<of_rows, true>},   {"LayerNormGrad", grad<of_rows, true>},
      {"RMSNormalization", forward<of_rows, false>},    {"RMSNormGrad", grad<of_rows, false>},
      {"GroupNormalization", forward<of_groups, true>}, {"GroupNormGrad", grad<of_groups, true>}};
}

}  // namespace mpsearch::reference
