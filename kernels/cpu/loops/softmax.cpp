// Softmax and log-softmax along any axis. Rows along the last axis are contiguous; others are
// gathered into a row of FP32 in the workspace of their task.
#include <algorithm>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/group.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"
#include "kernels/math/softmax.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::int64_t kTasks = 64;  // at most: each has rows of its own in the workspace

/// [outer, length, inner] with the axis in the middle.
struct Axis {
  std::int64_t outer = 1;
  std::int64_t length = 1;
  std::int64_t inner = 1;

  std::int64_t rows() const { return outer * inner; }
  std::int64_t rows_per_task() const {
    const std::int64_t cheap = std::max<std::int64_t>(1, kBlock / 4 / length);
    return std::max(cheap, (rows() + kTasks - 1) / kTasks);
  }
  std::int64_t tasks() const { return (rows() + rows_per_task() - 1) / rows_per_task(); }
  std::int64_t offset(std::int64_t row) const { return row / inner * length * inner + row % inner; }
};

Axis axis_of(const KernelCall& call) {
  const Shape& shape = call.inputs[0].shape;
  const auto rank = static_cast<std::int64_t>(shape.size());
  std::int64_t axis = call.attributes.integer("axis", -1);
  if (axis < 0) axis += rank;
  Axis split;
  for (std::int64_t dim = 0; dim < rank; ++dim) {
    (dim < axis    ? split.outer
     : dim == axis ? split.length
                   : split.inner) *= shape[static_cast<std::size_t>(dim)];
  }
  return split;
}

template <class T>
void gather(const T* from, std::int64_t length, std::int64_t stride, float* to) {
  for (std::int64_t i = 0; i < length; ++i) to[i] = decode(from[i * stride]);
}

template <class T>
void scatter(const float* from, std::int64_t length, std::int64_t stride, T* to) {
  for (std::int64_t i = 0; i < length; ++i) to[i * stride] = encode<T>(from[i]);
}

template <class T>
struct Forward {
  const T* x;
  T* y;
  Axis axis;
  bool log;
  float* rows;  // one a task

  void operator()() const {
    for_each_block(axis.rows(), axis.rows_per_task(),
                   [&](std::int64_t task, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                       const std::int64_t at = axis.offset(row);
                       if (axis.inner == 1) {
                         one(x + at, y + at);
                         continue;
                       }
                       float* buffer = rows + task * axis.length;
                       gather(x + at, axis.length, axis.inner, buffer);
                       one(static_cast<const float*>(buffer), buffer);
                       scatter(buffer, axis.length, axis.inner, y + at);
                     }
                   });
  }

  template <class X, class Y>
  void one(const X* from, Y* to) const {
    if (log) {
      log_softmax(Group(), axis.length, from, to);
    } else {
      softmax(Group(), axis.length, from, to);
    }
  }
};

template <class G, class S>
struct Backward {
  const G* dy;
  TensorView y;
  G* dx;
  Axis axis;
  bool log;
  float* rows;  // two a task

  void operator()() const {
    const float scale = y.scale != nullptr ? *y.scale : 1.0F;
    const S* saved = reinterpret_cast<const S*>(y.data);
    for_each_block(axis.rows(), axis.rows_per_task(),
                   [&](std::int64_t task, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                       const std::int64_t at = axis.offset(row);
                       if (axis.inner == 1) {
                         one(dy + at, saved + at, dx + at, scale);
                         continue;
                       }
                       float* gradient = rows + 2 * task * axis.length;
                       float* output = gradient + axis.length;
                       gather(dy + at, axis.length, axis.inner, gradient);
                       gather(saved + at, axis.length, axis.inner, output);
                       one(static_cast<const float*>(gradient), static_cast<const float*>(output),
                           gradient, scale);
                       scatter(gradient, axis.length, axis.inner, dx + at);
                     }
                   });
  }

  template <class D, class Y, class X>
  void one(const D* gradient, const Y* output, X* to, float scale) const {
    if (log) {
      log_softmax_backward(Group(), axis.length, gradient, output, to, scale);
    } else {
      softmax_backward(Group(), axis.length, gradient, output, to, scale);
    }
  }
};

std::vector<KernelChoice> candidates(const KernelCall& call) {
  const TensorType& x = call.inputs.at(0);
  const TensorType& y = call.outputs.at(0);
  if (!is_carrier(x.form.dtype) || x.form != y.form || x.form.layout != Layout::RowMajor ||
      x.shape != y.shape || x.elements() == 0) {
    return {};
  }
  const bool backward = call.inputs.size() > 1;
  if (backward &&
      (!has_storage(call.inputs[1].form.dtype) || call.inputs[1].form.layout != Layout::RowMajor)) {
    return {};
  }
  const Axis axis = axis_of(call);
  const std::int64_t rows = axis.inner == 1 ? 0 : (backward ? 2 : 1) * axis.tasks();
  return {{.algorithm = "loop",
           .workspace_bytes = rows * axis.length * static_cast<std::int64_t>(sizeof(float))}};
}

template <class T>
BoundKernel bind_as(const KernelCall& call, const KernelViews& views) {
  auto* rows = reinterpret_cast<float*>(views.workspace);
  const Axis axis = axis_of(call);
  const bool log = call.op.starts_with("Log");
  const auto* x = reinterpret_cast<const T*>(views.inputs[0].data);
  auto* y = reinterpret_cast<T*>(views.outputs[0].data);
  if (views.inputs.size() == 1) return bound(Forward<T>{x, y, axis, log, rows});
  return with_storage(call.inputs[1].form.dtype, [&]<class S>(S) {
    return bound(Backward<T, S>{x, views.inputs[1], y, axis, log, rows});
  });
}

BoundKernel bind(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  return with_carrier(call.inputs[0].form.dtype,
                      [&]<class T>(T) { return bind_as<T>(call, views); });
}

constexpr KernelEntry kEntries[] = {
    {"Softmax", candidates, bind},
    {"LogSoftmax", candidates, bind},
    {"SoftmaxGrad", candidates, bind},
    {"LogSoftmaxGrad", candidates, bind},
};

}  // namespace

KernelTable softmax_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
