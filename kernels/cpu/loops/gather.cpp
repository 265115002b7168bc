// Slices that indices pick (Gather, GatherND, GatherElements, Embedding), their gradients, and
// scatters. Whatever is written to is walked in its own order, over lists of the indices that reach
// each slice: so the result depends on no number of threads.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/pick.h"
#include "kernels/cpu/loops/storage.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

using Int = std::int64_t;

/// A tensor as [outer, rows, inner] and indices that name `count` rows of each outer part.
struct Places {
  enum class Kind { Rows, Tuples, Elements };
  Kind kind = Kind::Rows;
  Int outer = 1, rows = 1, inner = 1, count = 1;
  Shape sizes;       // Tuples: the indexed dimensions. Elements: the tensor's shape
  Shape strides;     // of the same, in rows
  Shape index_dims;  // Elements: shape of the indices
  std::size_t axis = 0;

  /// Whether all outer parts share one list of indices.
  bool shared() const { return kind == Kind::Rows; }
  Int lists() const { return shared() ? rows : outer * rows; }
  Int indices() const { return shared() ? count : outer * count; }

  /// The row that index `at` of part `part` names, or -1 where it lies outside.
  Int row(const Int* index, Int part, Int at) const {
    if (kind == Kind::Rows) return wrapped(index[at], rows);
    return kind == Kind::Tuples ? tuple(index, part * count + at) : element(index[at], at);
  }

 private:
  static Int wrapped(Int index, Int size) {
    const Int from_front = index < 0 ? index + size : index;
    return from_front < 0 || from_front >= size ? -1 : from_front;
  }

  Int tuple(const Int* index, Int at) const {
    Int place = 0;
    for (std::size_t k = 0; k < sizes.size(); ++k) {
      const Int one =
          wrapped(index[at * static_cast<Int>(sizes.size()) + static_cast<Int>(k)], sizes[k]);
      if (one < 0) return -1;
      place += one * strides[k];
    }
    return place;
  }

  Int element(Int index, Int at) const {
    Int place = 0;
    for (std::size_t dim = index_dims.size(); dim-- > 0;) {
      const Int own = at % index_dims[dim];
      at /= index_dims[dim];
      const Int one = dim == axis ? wrapped(index, sizes[dim]) : own;
      if (one < 0) return -1;
      place += one * strides[dim];
    }
    return place;
  }
};

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

/// The places that an operator of this family names in a tensor of shape `x`.
Places places_of(const KernelCall& call, const Shape& x, const Shape& index) {
  if (call.op.starts_with("GatherND") || call.op.starts_with("ScatterND")) {
    return tuples_of(x, index, static_cast<std::size_t>(call.attributes.integer("batch_dims", 0)));
  }
  const auto axis = static_cast<std::size_t>(call.attributes.integer("axis", 0));
  const bool elements = call.op.find("Elements") != std::string::npos;
  return elements ? elements_at(x, index, axis) : rows_of(x, index, axis);
}

bool row_major(const KernelCall& call) {
  const auto flat = [](const TensorType& type) { return type.form.layout == Layout::RowMajor; };
  return std::all_of(call.inputs.begin(), call.inputs.end(), flat) &&
         std::all_of(call.outputs.begin(), call.outputs.end(), flat);
}

bool indexed(const KernelCall& call, std::size_t least) {
  return call.inputs.size() >= least && call.outputs.size() == 1 && row_major(call) &&
         call.inputs[1].form.dtype == DType::I64;
}

/// One element that shows that an index lay outside: NaN, or 0 in integers.
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

// ---- Gather

struct Gather {
  TensorView x, y;
  const std::byte* index;
  Places places;
  Convert convert;  // null: the bits are copied

  void operator()() const {
    const Int x_bytes = bits_of(x.type.form.dtype) / 8, y_bytes = bits_of(y.type.form.dtype) / 8;
    const float factor = x.scale != nullptr ? *x.scale : 1.0F;
    const auto* indices = reinterpret_cast<const Int*>(index);
    const Int inner = places.inner;
    for_each_block(places.outer * places.count, std::max<Int>(1, kBlock / std::max<Int>(1, inner)),
                   [&](Int, Int begin, Int end) {
                     for (Int i = begin; i < end; ++i) {
                       const Int part = i / places.count;
                       const Int row = places.row(indices, part, i % places.count);
                       if (row < 0) {
                         write_bad(y, i * inner, inner);
                         continue;
                       }
                       const std::byte* from =
                           x.data + (part * places.rows + row) * inner * x_bytes;
                       std::byte* to = y.data + i * inner * y_bytes;
                       if (convert != nullptr) {
                         convert(from, to, inner, factor);
                       } else {
                         std::memcpy(to, from, static_cast<std::size_t>(inner * y_bytes));
                       }
                     }
                   });
  }
};

std::vector<KernelChoice> gather_candidates(const KernelCall& call) {
  if (!indexed(call, 2) || call.inputs.size() != 2) return {};
  if (!can_move(call.inputs[0].form.dtype, call.outputs[0].form.dtype)) return {};
  const Places places = places_of(call, call.inputs[0].shape, call.inputs[1].shape);
  if (places.outer * places.count * places.inner != call.outputs[0].elements()) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_gather(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const DType from = call.inputs[0].form.dtype, to = call.outputs[0].form.dtype;
  return bound(Gather{views.inputs[0], views.outputs[0], views.inputs[1].data,
                      places_of(call, call.inputs[0].shape, call.inputs[1].shape),
                      from == to ? nullptr : convert_of(from, to)});
}

// ---- What is written to, by lists

/// For every row the indices that name it, in their order. Lives in the workspace.
struct Lists {
  std::int32_t* begin;  // of each list, one more than lists
  std::int32_t* order;  // index numbers
  bool* bad;            // whether an index lay outside

  static Int bytes(const Places& places) { return 4 * (places.lists() + 1 + places.indices()) + 4; }
  static bool fit(const Places& places) {
    constexpr Int kMost = std::numeric_limits<std::int32_t>::max();
    return places.lists() < kMost && places.indices() < kMost;
  }

  Lists(const Places& places, std::byte* workspace)
      : begin(reinterpret_cast<std::int32_t*>(workspace)),
        order(begin + places.lists() + 1),
        bad(reinterpret_cast<bool*>(order + places.indices())) {}

  void fill(const Places& places, const Int* index) const {
    const Int lists = places.lists(), parts = places.shared() ? 1 : places.outer;
    std::fill_n(begin, lists + 1, 0);
    *bad = false;
    const auto list_of = [&](Int part, Int at) {
      const Int row = places.row(index, part, at);
      return row < 0 ? -1 : part * places.rows + row;
    };
    for (Int part = 0; part < parts; ++part) {
      for (Int at = 0; at < places.count; ++at) {
        const Int list = list_of(part, at);
        if (list < 0) {
          *bad = true;
        } else {
          ++begin[list];
        }
      }
    }
    std::int32_t sum = 0;
    for (Int list = 0; list <= lists; ++list) sum += std::exchange(begin[list], sum);
    for (Int part = 0; part < parts; ++part) {
      for (Int at = 0; at < places.count; ++at) {
        const Int list = list_of(part, at);
        if (list >= 0) order[begin[list]++] = static_cast<std::int32_t>(part * places.count + at);
      }
    }
    for (Int list = lists; list > 0; --list) begin[list] = begin[list - 1];
    begin[0] = 0;
  }
};

struct Sum {
  static float apply(float a, float b) { return a + b; }
};
struct Product {
  static float apply(float a, float b) { return a * b; }
};
struct Least {
  static float apply(float a, float b) { return std::isnan(a) || a < b ? a : b; }
};
struct Greatest {
  static float apply(float a, float b) { return std::isnan(a) || a > b ? a : b; }
};
struct Last {
  static float apply(float, float b) { return b; }
};

/// y[row] = x[row] combined with the updates of its list; no x: zeros.
template <class Combine>
struct Scatter {
  TensorView x, updates, y;  // x without data: zeros; updates without data: zeros
  const std::byte* index;
  Places places;
  std::byte* workspace;
  Convert load_x, load_updates, store;

  void operator()() const {
    const Lists lists(places, workspace);
    lists.fill(places, reinterpret_cast<const Int*>(index));
    const Int inner = places.inner;
    for_each_block(places.outer * places.rows, std::max<Int>(1, kBlock / std::max<Int>(1, inner)),
                   [&](Int, Int begin, Int end) {
                     for (Int i = begin; i < end; ++i) {
                       for (Int at = 0; at < inner; at += kChunk) {
                         run(lists, i, at, std::min(kChunk, inner - at));
                       }
                     }
                   });
    if (*lists.bad) write_bad(y, 0, std::min<Int>(1, y.type.elements()));
  }

 private:
  static void read(const TensorView& from, Convert load, Int at, Int count, float* to) {
    if (from.data == nullptr) return std::fill_n(to, count, 0.0F), void();
    load(from.data + at * (bits_of(from.type.form.dtype) / 8), reinterpret_cast<std::byte*>(to),
         count, from.scale != nullptr ? *from.scale : 1.0F);
  }

  void run(const Lists& lists, Int row, Int at, Int count) const {
    alignas(64) float total[kChunk];
    alignas(64) float next[kChunk];
    const Int inner = places.inner;
    read(x, load_x, row * inner + at, count, total);
    const Int list = places.shared() ? row % places.rows : row;
    const Int part = places.shared() ? row / places.rows : 0;
    for (std::int32_t k = lists.begin[list]; k < lists.begin[list + 1]; ++k) {
      const Int update = part * places.count + lists.order[k];
      read(updates, load_updates, update * inner + at, count, next);
      for (Int i = 0; i < count; ++i) total[i] = Combine::apply(total[i], next[i]);
    }
    store(reinterpret_cast<const std::byte*>(total),
          y.data + (row * inner + at) * (bits_of(y.type.form.dtype) / 8), count, 1.0F);
  }
};

/// Integers and truth values: the last update counts, or all are added.
struct ScatterIntegers {
  TensorView x, updates, y;
  const std::byte* index;
  Places places;
  std::byte* workspace;
  bool adds;

  void operator()() const {
    const Lists lists(places, workspace);
    lists.fill(places, reinterpret_cast<const Int*>(index));
    const Int bytes = bits_of(y.type.form.dtype) / 8, slice = places.inner * bytes;
    for_each_block(places.outer * places.rows, std::max<Int>(1, kBlock / std::max<Int>(1, slice)),
                   [&](Int, Int begin, Int end) {
                     for (Int row = begin; row < end; ++row) run(lists, row, slice);
                   });
  }

 private:
  void run(const Lists& lists, Int row, Int slice) const {
    std::byte* to = y.data + row * slice;
    std::memcpy(to, x.data + row * slice, static_cast<std::size_t>(slice));
    for (std::int32_t k = lists.begin[row]; k < lists.begin[row + 1]; ++k) {
      const std::byte* from = updates.data + lists.order[k] * slice;
      if (!adds) {
        std::memcpy(to, from, static_cast<std::size_t>(slice));
        continue;
      }
      for (Int i = 0; i < slice / 8; ++i) {
        reinterpret_cast<Int*>(to)[i] += reinterpret_cast<const Int*>(from)[i];
      }
    }
  }
};

template <class Combine>
BoundKernel scatter(const TensorView& x, const TensorView& updates, const Places& places,
                    const KernelViews& views) {
  const TensorView& y = views.outputs[0];
  return bound(Scatter<Combine>{x, updates, y, views.inputs[1].data, places, views.workspace,
                                convert_of(x.type.form.dtype, DType::F32),
                                convert_of(updates.type.form.dtype, DType::F32),
                                convert_of(DType::F32, y.type.form.dtype)});
}

std::vector<KernelChoice> grad_candidates(const KernelCall& call) {
  if (!indexed(call, 2) || call.inputs.size() != 2) return {};
  if (!has_storage(call.inputs[0].form.dtype) || !is_carrier(call.outputs[0].form.dtype)) return {};
  const Places places = places_of(call, call.outputs[0].shape, call.inputs[1].shape);
  if (places.outer * places.count * places.inner != call.inputs[0].elements()) return {};
  if (!Lists::fit(places)) return {};
  return {{.algorithm = "loop", .workspace_bytes = Lists::bytes(places)}};
}

BoundKernel bind_grad(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return scatter<Sum>({.type = call.outputs[0]}, views.inputs[0],
                      places_of(call, call.outputs[0].shape, call.inputs[1].shape), views);
}

std::vector<KernelChoice> scatter_candidates(const KernelCall& call) {
  if (!indexed(call, 2) || call.inputs.size() > 3) return {};
  const TensorType &x = call.inputs[0], &y = call.outputs[0];
  const std::string reduction = call.attributes.text("reduction", "none");
  const bool given = call.inputs.size() == 3;
  const DType of_updates = given ? call.inputs[2].form.dtype : DType::F32;
  const bool floats =
      has_storage(x.form.dtype) && has_storage(of_updates) && is_carrier(y.form.dtype);
  const bool integers = given && x.form.dtype == y.form.dtype && x.form.dtype == of_updates &&
                        bits_of(x.form.dtype) >= 8 && !is_float(x.form.dtype) &&
                        (reduction == "none" || (reduction == "add" && x.form.dtype == DType::I64));
  if (!(floats || integers) || x.shape != y.shape) return {};
  const Places places = places_of(call, x.shape, call.inputs[1].shape);
  if (given && places.outer * places.count * places.inner != call.inputs[2].elements()) return {};
  if (!Lists::fit(places)) return {};
  return {{.algorithm = "loop", .workspace_bytes = Lists::bytes(places)}};
}

BoundKernel bind_scatter(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const std::string reduction = call.attributes.text("reduction", "none");
  const Places places = places_of(call, call.inputs[0].shape, call.inputs[1].shape);
  const TensorView& x = views.inputs[0];
  const TensorView updates = views.inputs.size() == 3 ? views.inputs[2] : TensorView{};
  if (!is_float(x.type.form.dtype)) {
    return bound(ScatterIntegers{x, updates, views.outputs[0], views.inputs[1].data, places,
                                 views.workspace, reduction == "add"});
  }
  if (reduction == "add") return scatter<Sum>(x, updates, places, views);
  if (reduction == "mul") return scatter<Product>(x, updates, places, views);
  if (reduction == "min") return scatter<Least>(x, updates, places, views);
  if (reduction == "max") return scatter<Greatest>(x, updates, places, views);
  return scatter<Last>(x, updates, places, views);
}

constexpr KernelEntry kEntries[] = {{"Gather", gather_candidates, bind_gather},
                                    {"Embedding", gather_candidates, bind_gather},
                                    {"GatherElements", gather_candidates, bind_gather},
                                    {"GatherND", gather_candidates, bind_gather},
                                    {"GatherGrad", grad_candidates, bind_grad},
                                    {"GatherElementsGrad", grad_candidates, bind_grad},
                                    {"GatherNDGrad", grad_candidates, bind_grad},
                                    {"ScatterElements", scatter_candidates, bind_scatter},
                                    {"ScatterND", scatter_candidates, bind_scatter}};

}  // namespace

KernelTable gather_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
