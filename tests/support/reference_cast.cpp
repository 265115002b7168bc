// Rounding to storage formats, from their definition (tests/kernels/number/reference.h).
#include <cmath>
#include <limits>

#include "tests/kernels/number/reference.h"
#include "tests/support/reference.h"
#include "tests/support/rounding.h"

namespace mpsearch::reference {
namespace {

template <class T>
double through(double x) {
  return decode(format_of<T>(), encode(format_of<T>(), x));
}

std::vector<Numbers> cast(const Call& call) {
  Numbers y;
  for (const double x : call.inputs[0]) y.push_back(rounded(x, call.call.outputs[0].form.dtype));
  return {y};
}

/// numerics.md, section 4, recipe `current`: the stored values and the scale that undoes them.
std::vector<Numbers> quantize(const Call& call) {
  const DType dtype = call.call.outputs[0].form.dtype;
  const double greatest = dtype == DType::F8E5M2 ? 57344 : 448;
  double amax = 0;
  bool finite = true;
  for (const double x : call.inputs[0]) {
    if (std::isfinite(x)) amax = std::fmax(amax, std::fabs(x));
    finite = finite && std::isfinite(x);
  }
  double factor = amax > 0 ? greatest / amax : 1;
  if (amax > 0 && call.call.attributes.text("recipe", "pow2") == "pow2") {
    factor = std::exp2(std::floor(std::log2(factor)));
  }
  Numbers q;
  for (const double x : call.inputs[0]) q.push_back(rounded(x * factor, dtype));
  return {q, {finite ? 1 / factor : std::numeric_limits<double>::quiet_NaN()}};
}

}  // namespace

double rounded(double x, DType dtype) {
  switch (dtype) {
    case DType::BF16:
      return through<BF16>(x);
    case DType::F16:
      return through<F16>(x);
    case DType::F8E4M3:
      return through<F8E4M3>(x);
    case DType::F8E5M2:
      return through<F8E5M2>(x);
    default:
      return x;
  }
}

std::vector<Definition> cast_definitions() { return {{"Cast", cast}, {"Quantize", quantize}}; }

}  // namespace mpsearch::reference
