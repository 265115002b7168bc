// Comparisons, logic, integer arithmetic, selection by truth values, and conversions between
// integers and floats.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/loops/convert.h"
#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/integers.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"
#include "kernels/cpu/loops/walk.h"
#include "kernels/math/logic.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

using Int = std::int64_t;

std::vector<KernelChoice> loop_if(bool fits) {
  return fits ? std::vector<KernelChoice>{{.algorithm = "loop"}} : std::vector<KernelChoice>{};
}

bool all_broadcast(const KernelCall& call, std::size_t inputs) {
  return call.inputs.size() == inputs && call.outputs.size() == 1 &&
         std::all_of(call.inputs.begin(), call.inputs.end(), [&](const TensorType& in) {
           return broadcasts(in.shape, call.outputs[0].shape);
         });
}

bool floats_from(const KernelCall& call, std::size_t first) {
  return std::all_of(call.inputs.begin() + static_cast<std::ptrdiff_t>(first), call.inputs.end(),
                     [](const TensorType& in) { return has_storage(in.form.dtype); });
}

bool integers_from(const KernelCall& call, std::size_t first) {
  return std::all_of(call.inputs.begin() + static_cast<std::ptrdiff_t>(first), call.inputs.end(),
                     [](const TensorType& in) { return reads_integers(in.form.dtype); });
}

// ---- Comparisons of floats or integers

template <class F>
void compare_floats(const float*, const Chunk& chunk) {
  for (Int i = 0; i < chunk.count; ++i) {
    chunk.out[i] = F::holds(chunk.in[0][i], chunk.in[1][i]) ? 1.0F : 0.0F;
  }
}

template <class F>
void compare_integers(const Int* const* in, Int* out, Int count) {
  for (Int i = 0; i < count; ++i) out[i] = F::holds(in[0][i], in[1][i]) ? 1 : 0;
}

std::vector<KernelChoice> compare_candidates(const KernelCall& call) {
  return loop_if(all_broadcast(call, 2) && call.outputs[0].form.dtype == DType::BOOL &&
                 (floats_from(call, 0) || integers_from(call, 0)));
}

template <class F>
BoundKernel bind_compare(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  if (!is_float(call.inputs[0].form.dtype)) return integer_map(compare_integers<F>, views);
  return map_kernel({compare_floats<F>}, {.inputs = views.inputs, .out = views.outputs[0]});
}

std::vector<KernelChoice> logic_candidates(const KernelCall& call) {
  return loop_if(all_broadcast(call, 2) && call.outputs[0].form.dtype == DType::BOOL &&
                 integers_from(call, 0));
}

template <class F>
BoundKernel bind_logic(const KernelCall&, const KernelChoice&, const KernelViews& views) {
  return integer_map(compare_integers<F>, views);
}

// ---- Integer arithmetic

template <class F>
void combine(const Int* const* in, Int* out, Int count) {
  for (Int i = 0; i < count; ++i) out[i] = F::apply(in[0][i], in[1][i]);
}

std::vector<KernelChoice> integer_candidates(const KernelCall& call) {
  return loop_if(all_broadcast(call, 2) && call.outputs[0].form.dtype == DType::I64 &&
                 integers_from(call, 0));
}

template <class F>
BoundKernel bind_integers(const KernelCall&, const KernelChoice&, const KernelViews& views) {
  return integer_map(combine<F>, views);
}

// ---- Where, Keep

void where_floats(const float*, const Chunk& chunk) {
  for (Int i = 0; i < chunk.count; ++i) {
    const float a = chunk.in[1][i], b = chunk.in[2][i];
    chunk.out[i] = chunk.in[0][i] != 0.0F ? a : b;
  }
}

void where_integers(const Int* const* in, Int* out, Int count) {
  for (Int i = 0; i < count; ++i) out[i] = in[0][i] != 0 ? in[1][i] : in[2][i];
}

std::vector<KernelChoice> where_candidates(const KernelCall& call) {
  if (!all_broadcast(call, 3) || call.inputs[0].form.dtype != DType::BOOL) return {};
  const DType to = call.outputs[0].form.dtype;
  return loop_if((floats_from(call, 1) && is_carrier(to)) ||
                 (integers_from(call, 1) && writes_integers(to)));
}

BoundKernel bind_where(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  if (!is_float(call.outputs[0].form.dtype)) return integer_map(where_integers, views);
  return map_kernel({where_floats}, {.inputs = views.inputs, .out = views.outputs[0]});
}

void keep(const float* parameters, const Chunk& chunk) {
  const float when = parameters[0];
  for (Int i = 0; i < chunk.count; ++i) {
    const float x = chunk.in[0][i];
    chunk.out[i] = chunk.in[1][i] == when ? x : 0.0F;
  }
}

std::vector<KernelChoice> keep_candidates(const KernelCall& call) {
  return loop_if(all_broadcast(call, 2) && has_storage(call.inputs[0].form.dtype) &&
                 call.inputs[1].form.dtype == DType::BOOL &&
                 call.inputs[0].shape == call.outputs[0].shape &&
                 is_carrier(call.outputs[0].form.dtype));
}

BoundKernel bind_keep(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return map_kernel({keep, {static_cast<float>(call.attributes.integer("when", 1))}},
                    {.inputs = views.inputs, .out = views.outputs[0]});
}

// ---- IsNaN, IsInf

void is_nan(const float*, const Chunk& chunk) {
  for (Int i = 0; i < chunk.count; ++i) {
    const float x = chunk.in[0][i];
    chunk.out[i] = x != x ? 1.0F : 0.0F;
  }
}

void is_infinite(const float* parameters, const Chunk& chunk) {
  const float least = -parameters[0] * HUGE_VALF, most = parameters[1] * HUGE_VALF;
  for (Int i = 0; i < chunk.count; ++i) {
    const float x = chunk.in[0][i];
    chunk.out[i] = x == least || x == most ? 1.0F : 0.0F;  // 0 times infinity is NaN: never equal
  }
}

std::vector<KernelChoice> test_candidates(const KernelCall& call) {
  return loop_if(all_broadcast(call, 1) && floats_from(call, 0) &&
                 call.outputs[0].form.dtype == DType::BOOL);
}

BoundKernel bind_is_nan(const KernelCall&, const KernelChoice&, const KernelViews& views) {
  return map_kernel({is_nan}, {.inputs = views.inputs, .out = views.outputs[0]});
}

BoundKernel bind_is_infinite(const KernelCall& call, const KernelChoice&,
                             const KernelViews& views) {
  return map_kernel({is_infinite,
                     {static_cast<float>(call.attributes.integer("detect_negative", 1)),
                      static_cast<float>(call.attributes.integer("detect_positive", 1))}},
                    {.inputs = views.inputs, .out = views.outputs[0]});
}

// ---- CastTo

/// Keeps the low `bits`; negative: of an unsigned number. 0: all.
Int wrapped(Int value, Int bits) {
  if (bits == 0) return value;
  const Int unused = 64 - (bits < 0 ? -bits : bits);
  const auto high = static_cast<std::uint64_t>(value) << unused;
  return bits < 0 ? static_cast<Int>(high >> unused) : static_cast<Int>(high) >> unused;
}

/// Towards zero; what does not fit becomes the nearest that does, NaN 0.
Int truncated(float value) {
  if (value != value) return 0;
  if (value >= 0x1p63F) return INT64_MAX;
  if (value <= -0x1p63F) return INT64_MIN;
  return static_cast<Int>(value);
}

struct CastTo {
  TensorView x, y;
  Int bits;
  Convert load, store;  // of floats

  void operator()() const {
    for_each_block(x.type.elements(), kChunk, [&](Int, Int begin, Int end) {
      const Int count = end - begin;
      const DType from = x.type.form.dtype, to = y.type.form.dtype;
      const std::byte* source = x.data + begin * (bits_of(from) / 8);
      std::byte* target = y.data + begin * (bits_of(to) / 8);
      Int integers[kChunk];
      alignas(64) float floats[kChunk];
      if (load != nullptr) {
        load(source, reinterpret_cast<std::byte*>(floats), count,
             x.scale != nullptr ? *x.scale : 1.0F);
        for (Int i = 0; i < count; ++i) {
          integers[i] = to == DType::BOOL ? Int{floats[i] != 0.0F} : truncated(floats[i]);
        }
      } else {
        read_integers(from, source, 1, integers, count);
      }
      for (Int i = 0; i < count; ++i) integers[i] = wrapped(integers[i], bits);
      if (store == nullptr) return write_integers(to, integers, target, count);
      for (Int i = 0; i < count; ++i) floats[i] = static_cast<float>(integers[i]);
      store(reinterpret_cast<const std::byte*>(floats), target, count, 1.0F);
    });
  }
};

std::vector<KernelChoice> cast_candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 1) return {};
  const TensorType &x = call.inputs[0], &y = call.outputs[0];
  const bool from_float = has_storage(x.form.dtype), to_float = is_carrier(y.form.dtype);
  return loop_if(
      x.shape == y.shape && x.form.layout == y.form.layout &&
      (from_float || reads_integers(x.form.dtype)) &&
      (from_float ? writes_integers(y.form.dtype) : to_float || writes_integers(y.form.dtype)));
}

BoundKernel bind_cast(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const DType from = call.inputs[0].form.dtype, to = call.outputs[0].form.dtype;
  return bound(CastTo{views.inputs[0], views.outputs[0], call.attributes.integer("bits", 0),
                      is_float(from) ? convert_of(from, DType::F32) : nullptr,
                      is_float(to) ? convert_of(DType::F32, to) : nullptr});
}

// ---- OneHot, ArgMax

struct OneHot {
  TensorView index, y;
  Int depth, inner;
  std::byte on[8], off[8];

  void operator()() const {
    const auto* indices = reinterpret_cast<const Int*>(index.data);
    const auto bytes = static_cast<std::size_t>(bits_of(y.type.form.dtype) / 8);
    for_each_block(index.type.elements() / inner * depth,
                   std::max<Int>(1, kBlock / std::max<Int>(1, inner)),
                   [&](Int, Int begin, Int end) {
                     for (Int row = begin; row < end; ++row) {
                       const Int* of = indices + row / depth * inner;
                       for (Int i = 0; i < inner; ++i) {
                         const Int from_front = of[i] < 0 ? of[i] + depth : of[i];
                         std::memcpy(y.data + static_cast<std::size_t>(row * inner + i) * bytes,
                                     from_front == row % depth ? on : off, bytes);
                       }
                     }
                   });
  }
};

std::vector<KernelChoice> one_hot_candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 1) return {};
  const TensorType &index = call.inputs[0], &y = call.outputs[0];
  const DType to = y.form.dtype;
  return loop_if(index.form.dtype == DType::I64 && index.form.layout == Layout::RowMajor &&
                 y.form.layout == Layout::RowMajor && (is_carrier(to) || writes_integers(to)) &&
                 index.elements() > 0);
}

void encode_element(DType dtype, double value, std::byte* to) {
  if (is_float(dtype)) {
    const auto number = static_cast<float>(value);
    convert_of(DType::F32, dtype)(reinterpret_cast<const std::byte*>(&number), to, 1, 1.0F);
  } else {
    const auto number = static_cast<Int>(value);
    std::memcpy(to, &number, sizeof number);
  }
}

BoundKernel bind_one_hot(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Shape& index = call.inputs[0].shape;
  OneHot kernel{views.inputs[0], views.outputs[0], call.attributes.integer("depth", 1), 1, {}, {}};
  for (auto dim = static_cast<std::size_t>(call.attributes.integer("axis", 0)); dim < index.size();
       ++dim) {
    kernel.inner *= index[dim];
  }
  encode_element(call.outputs[0].form.dtype, call.attributes.number("on", 1), kernel.on);
  encode_element(call.outputs[0].form.dtype, call.attributes.number("off", 0), kernel.off);
  return bound(kernel);
}

/// The first or last position of the greatest element along an axis; `sign` -1: of the least.
struct ArgMax {
  TensorView x, y;
  Int size, inner;
  float sign;
  bool last;
  Convert load;

  void operator()() const {
    const Int across = (inner + kChunk - 1) / kChunk, bytes = bits_of(x.type.form.dtype) / 8;
    const Int outer = y.type.elements() / inner;
    const float factor = x.scale != nullptr ? sign * *x.scale : sign;
    for_each_block(outer * across, 1, [&](Int, Int begin, Int end) {
      for (Int task = begin; task < end; ++task) {
        const Int row = task / across, column = task % across * kChunk;
        const Int count = std::min(kChunk, inner - column);
        auto* best = reinterpret_cast<Int*>(y.data) + row * inner + column;
        alignas(64) float most[kChunk];
        alignas(64) float next[kChunk];
        for (Int k = 0; k < size; ++k) {
          load(x.data + ((row * size + k) * inner + column) * bytes,
               reinterpret_cast<std::byte*>(next), count, factor);
          for (Int i = 0; i < count; ++i) {
            const bool better = last ? next[i] >= most[i] : next[i] > most[i];
            if (k > 0 && !better) continue;
            most[i] = next[i];
            best[i] = k;
          }
        }
      }
    });
  }
};

std::vector<KernelChoice> arg_max_candidates(const KernelCall& call) {
  if (call.inputs.size() != 1 || call.outputs.size() != 1) return {};
  const TensorType &x = call.inputs[0], &y = call.outputs[0];
  const auto axis = static_cast<std::size_t>(call.attributes.integer("axis", 0));
  if (axis >= x.shape.size() || x.shape[axis] == 0) return {};
  return loop_if(has_storage(x.form.dtype) && y.form.dtype == DType::I64 &&
                 x.form.layout == Layout::RowMajor && y.form.layout == Layout::RowMajor &&
                 y.elements() == x.elements() / x.shape[axis]);
}

template <int Sign>
BoundKernel bind_arg_max(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const TensorType& x = call.inputs[0];
  const auto axis = static_cast<std::size_t>(call.attributes.integer("axis", 0));
  Int inner = 1;
  for (std::size_t dim = axis + 1; dim < x.shape.size(); ++dim) inner *= x.shape[dim];
  return bound(ArgMax{
      views.inputs[0], views.outputs[0], x.shape[axis], inner, static_cast<float>(Sign),
      call.attributes.integer("select_last_index", 0) != 0, convert_of(x.form.dtype, DType::F32)});
}

}  // namespace

KernelTable logic_kernels() {
  static const std::vector<KernelEntry> entries = [] {
    std::vector<KernelEntry> all{{"Where", where_candidates, bind_where},
                                 {"Keep", keep_candidates, bind_keep},
                                 {"IsNaN", test_candidates, bind_is_nan},
                                 {"IsInf", test_candidates, bind_is_infinite},
                                 {"CastTo", cast_candidates, bind_cast},
                                 {"OneHot", one_hot_candidates, bind_one_hot},
                                 {"ArgMax", arg_max_candidates, bind_arg_max<1>},
                                 {"ArgMin", arg_max_candidates, bind_arg_max<-1>}};
    Comparisons::for_each([&]<class F>() {
      all.push_back({F::kName, compare_candidates, bind_compare<F>});
    });
    LogicOps::for_each([&]<class F>() {
      all.push_back({F::kName, logic_candidates, bind_logic<F>});
    });
    IntegerOps::for_each([&]<class F>() {
      all.push_back({F::kName, integer_candidates, bind_integers<F>});
    });
    return all;
  }();
  return entries;
}

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
