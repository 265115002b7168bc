// LayerNormalization and RMSNormalization: rows of contiguous elements, each with statistics of its
// own. The gradients of the parameters are summed in tasks that depend on shapes alone.
#include <algorithm>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/group.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/stream.h"
#include "kernels/math/norm.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::int64_t kTasks = 64;  // at most: each has buffers of its own in the workspace

struct Rows {
  std::int64_t rows = 1;
  std::int64_t length = 1;
  bool centred = true;
  float epsilon = 1e-5F;

  std::int64_t rows_per_task() const {
    const std::int64_t cheap = std::max<std::int64_t>(1, kBlock / 2 / length);
    return std::max(cheap, (rows + kTasks - 1) / kTasks);
  }
  std::int64_t tasks() const { return (rows + rows_per_task() - 1) / rows_per_task(); }
};

Rows rows_of(const KernelCall& call, const TensorType& x) {
  const auto axis = static_cast<std::size_t>(call.attributes.integer("axis", 0));
  Rows rows;
  for (std::size_t dim = 0; dim < x.shape.size(); ++dim) {
    (dim < axis ? rows.rows : rows.length) *= x.shape[dim];
  }
  rows.centred = call.op.starts_with("Layer");
  rows.epsilon = static_cast<float>(call.attributes.number("epsilon", 1e-5));
  return rows;
}

struct Forward {
  Reader x;
  const float* gamma;
  const float* beta;  // or null
  Writer y;
  float* mean;    // or null
  float* invstd;  // or null
  Rows rows;
  float* buffers;  // a row a task

  void operator()() const {
    for_each_block(rows.rows, rows.rows_per_task(),
                   [&](std::int64_t task, std::int64_t begin, std::int64_t end) {
                     float* buffer = buffers + task * rows.length;
                     for (std::int64_t row = begin; row < end; ++row) one(row, buffer);
                   });
  }

 private:
  void one(std::int64_t row, float* buffer) const {
    const std::int64_t n = rows.length;
    const float* from = x(row * n, n, buffer);
    const NormStats stats = rows.centred ? norm_stats(Group(), n, from, rows.epsilon)
                                         : rms_stats(Group(), n, from, rows.epsilon);
    float* to = y.place(row * n, buffer);
    normalise(Group(), n, from, stats, gamma, beta, to);
    y.done(row * n, n, buffer);
    if (mean != nullptr) mean[row] = stats.mean;
    if (invstd != nullptr) invstd[row] = stats.invstd;
  }
};

struct Backward {
  Reader dy, x;
  const float* gamma;
  const float* mean;  // or null
  const float* invstd;
  Writer dx;
  float* dgamma;
  float* dbeta;  // or null
  Rows rows;
  float* buffers;  // two rows a task, then the sums of a task: two rows

  void operator()() const {
    const std::int64_t n = rows.length;
    for_each_block(rows.rows, rows.rows_per_task(),
                   [&](std::int64_t task, std::int64_t begin, std::int64_t end) {
                     float* buffer = buffers + task * 4 * n;
                     std::fill_n(buffer + 2 * n, 2 * n, 0.0F);
                     for (std::int64_t row = begin; row < end; ++row) one(row, buffer);
                   });
    for_each_block(n, 256, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        double gamma_sum = 0, beta_sum = 0;
        for (std::int64_t task = 0; task < rows.tasks(); ++task) {
          gamma_sum += double{buffers[(task * 4 + 2) * n + i]};
          beta_sum += double{buffers[(task * 4 + 3) * n + i]};
        }
        dgamma[i] = static_cast<float>(gamma_sum);
        if (dbeta != nullptr) dbeta[i] = static_cast<float>(beta_sum);
      }
    });
  }

 private:
  void one(std::int64_t row, float* buffer) const {
    const std::int64_t n = rows.length;
    const float* g = dy(row * n, n, buffer);
    const float* v = x(row * n, n, buffer + n);
    const NormStats stats{mean != nullptr ? mean[row] : 0.0F, invstd[row]};
    float* gamma_sum = buffer + 2 * n;
    float* beta_sum = buffer + 3 * n;
    Group().map(
        n,
        [=](float value, float slope, float a, float b) {
          return Values<2>{{a + slope * ((value - stats.mean) * stats.invstd), b + slope}};
        },
        Out{gamma_sum, beta_sum}, v, g, static_cast<const float*>(gamma_sum),
        static_cast<const float*>(beta_sum));
    float* to = dx.place(row * n, buffer);
    if (rows.centred) {
      normalise_backward<true>(Group(), n, v, g, stats, gamma, to);
    } else {
      normalise_backward<false>(Group(), n, v, g, stats, gamma, to);
    }
    dx.done(row * n, n, buffer);
  }
};

bool row_major(const std::vector<TensorType>& types) {
  return std::ranges::all_of(
      types, [](const TensorType& type) { return type.form.layout == Layout::RowMajor; });
}

std::vector<KernelChoice> forward_candidates(const KernelCall& call) {
  const TensorType& x = call.inputs.at(0);
  const TensorType& y = call.outputs.at(0);
  const bool fits = row_major(call.inputs) && row_major(call.outputs) && streams(x, y) &&
                    x.shape == y.shape && x.elements() > 0 &&
                    std::all_of(call.inputs.begin() + 1, call.inputs.end(), is_f32) &&
                    std::all_of(call.outputs.begin() + 1, call.outputs.end(), is_f32);
  if (!fits) return {};
  const Rows rows = rows_of(call, x);
  const std::int64_t buffers = is_f32(x) && is_f32(y) ? 0 : rows.tasks() * rows.length;
  return {{.algorithm = "loop", .workspace_bytes = 4 * buffers}};
}

BoundKernel bind_forward(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Rows rows = rows_of(call, call.inputs[0]);
  const auto output = [&](std::size_t index) {
    return index < views.outputs.size() ? reinterpret_cast<float*>(views.outputs[index].data)
                                        : nullptr;
  };
  return bound(Forward{.x = Reader(views.inputs[0]),
                       .gamma = floats(views.inputs[1]),
                       .beta = views.inputs.size() > 2 ? floats(views.inputs[2]) : nullptr,
                       .y = Writer(views.outputs[0]),
                       .mean = rows.centred ? output(1) : nullptr,
                       .invstd = output(rows.centred ? 2 : 1),
                       .rows = rows,
                       .buffers = reinterpret_cast<float*>(views.workspace)});
}

std::vector<KernelChoice> backward_candidates(const KernelCall& call) {
  const TensorType& dy = call.inputs.at(0);
  const TensorType& x = call.inputs.at(1);
  const TensorType& dx = call.outputs.at(0);
  const bool fits = row_major(call.inputs) && row_major(call.outputs) && streams(dy, dx) &&
                    streams(x, dx) && x.shape == dx.shape && dy.shape == x.shape &&
                    x.elements() > 0 && call.outputs.size() > 1 &&
                    std::all_of(call.inputs.begin() + 2, call.inputs.end(), is_f32) &&
                    std::all_of(call.outputs.begin() + 1, call.outputs.end(), is_f32);
  if (!fits) return {};
  const Rows rows = rows_of(call, x);
  return {{.algorithm = "loop", .workspace_bytes = 16 * rows.tasks() * rows.length}};
}

BoundKernel bind_backward(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Rows rows = rows_of(call, call.inputs[1]);
  const auto output = [&](std::size_t index) {
    return index < views.outputs.size() ? reinterpret_cast<float*>(views.outputs[index].data)
                                        : nullptr;
  };
  return bound(Backward{.dy = Reader(views.inputs[0]),
                        .x = Reader(views.inputs[1]),
                        .gamma = floats(views.inputs[2]),
                        .mean = rows.centred ? floats(views.inputs[3]) : nullptr,
                        .invstd = floats(views.inputs[rows.centred ? 4 : 3]),
                        .dx = Writer(views.outputs[0]),
                        .dgamma = output(1),
                        .dbeta = output(2),
                        .rows = rows,
                        .buffers = reinterpret_cast<float*>(views.workspace)});
}

constexpr KernelEntry kEntries[] = {{"LayerNormalization", forward_candidates, bind_forward},
                                    {"LayerNormGrad", backward_candidates, bind_backward},
                                    {"RMSNormalization", forward_candidates, bind_forward},
                                    {"RMSNormGrad", backward_candidates, bind_backward}};

}  // namespace

KernelTable row_norm_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
