#include "kernels/cpu/loops/places.h"

#include <cstring>

#include "kernels/cpu/loops/convert.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

using Int = std::int64_t;

Int product(const Shape& shape, std::size_t begin, std::size_t end) {
  Int size = 1;
  for (std::size_t dim = begin; dim < end; ++dim) size *= shape[dim];
  return size;
}

Places rows_of(const Shape& x, const Shape& index, std::size_t axis) {
  Places places;
  places.outer = product(x, 0, axis);
  places.rows = x[axis];
  places.inner = product(x, axis + 1, x.size());
  places.count = elements_of(index);
  return places;
}

Places tuples_of(const Shape& x, const Shape& index, std::size_t batch) {
  Places places;
  places.kind = Places::Kind::Tuples;
  const auto depth = static_cast<std::size_t>(index.back());
  places.outer = product(x, 0, batch);
  places.rows = product(x, batch, batch + depth);
  places.inner = product(x, batch + depth, x.size());
  places.count = product(index, batch, index.size() - 1);
  for (std::size_t dim = batch; dim < batch + depth; ++dim) {
    places.sizes.push_back(x[dim]);
    places.strides.push_back(product(x, dim + 1, batch + depth));
  }
  return places;
}

Places elements_at(const Shape& x, const Shape& index, std::size_t axis) {
  Places places;
  places.kind = Places::Kind::Elements;
  places.rows = elements_of(x);
  places.count = elements_of(index);
  places.sizes = x;
  places.strides = strides_of({x, {}});
  places.index_dims = index;
  places.axis = axis;
  return places;
}

bool row_major(const KernelCall& call) {
  const auto flat = [](const TensorType& type) { return type.form.layout == Layout::RowMajor; };
  return std::all_of(call.inputs.begin(), call.inputs.end(), flat) &&
         std::all_of(call.outputs.begin(), call.outputs.end(), flat);
}

}  // namespace

Places places_of(const KernelCall& call, const Shape& x, const Shape& index) {
  if (call.op.starts_with("GatherND") || call.op.starts_with("ScatterND")) {
    return tuples_of(x, index, static_cast<std::size_t>(call.attributes.integer("batch_dims", 0)));
  }
  const auto axis = static_cast<std::size_t>(call.attributes.integer("axis", 0));
  const bool elements = call.op.find("Elements") != std::string::npos;
  return elements ? elements_at(x, index, axis) : rows_of(x, index, axis);
}

bool indexed(const KernelCall& call, std::size_t least, std::size_t outputs, std::size_t at) {
  return call.inputs.size() >= least && call.outputs.size() == outputs && row_major(call) &&
         call.inputs[at].form.dtype == DType::I64;
}

void write_bad(const TensorView& y, Int at, Int count) {
  const DType dtype = y.type.form.dtype;
  const Int bytes = bits_of(dtype) / 8;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (Int i = at; i < at + count; ++i) {
    if (is_float(dtype)) {
      convert_of(DType::F32, dtype)(reinterpret_cast<const std::byte*>(&nan), y.data + i * bytes, 1,
                                    1.0F);
    } else {
      std::memset(y.data + i * bytes, 0, static_cast<std::size_t>(bytes));
    }
  }
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
