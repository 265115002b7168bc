// Batch normalisation in both layouts. The batch is cut into parts that do not depend on the number
// of threads; their moments or sums are merged a channel at a time, in order. A saved x in FP8 is
// read as s q: x_hat = (s q - mean) invstd = (q - mean / s) (s invstd).
#include <algorithm>
#include <cmath>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/group.h"
#include "kernels/cpu/loops/map.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/cpu/loops/storage.h"
#include "kernels/math/batch_norm.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::int64_t kPartElements = 32768;

/// ChannelsLast (or one position a channel): [rows, channels], parts are blocks of rows. RowMajor:
/// planes of `plane` elements, plane i of channel i mod channels, a part each.
struct Cut {
  bool columns = false;
  std::int64_t channels = 0;
  std::int64_t rows = 0;   // columns: rows; else images
  std::int64_t plane = 1;  // not columns: elements of a plane

  std::int64_t rows_per_part() const {
    return std::max<std::int64_t>(1, kPartElements / std::max<std::int64_t>(1, channels));
  }
  std::int64_t parts() const {
    return columns ? (rows + rows_per_part() - 1) / rows_per_part() : rows;
  }
  double count() const { return static_cast<double>(rows) * static_cast<double>(plane); }
  std::int64_t planes_per_task() const {
    return std::max<std::int64_t>(1, kBlock / std::max<std::int64_t>(1, plane));
  }
};

Cut cut_of(const TensorType& x) {
  Cut cut;
  cut.channels = x.shape[1];
  const std::int64_t elements = x.elements();
  const std::int64_t positions = cut.channels == 0 ? 0 : elements / cut.channels / x.shape[0];
  cut.columns = x.form.layout == Layout::ChannelsLast || positions == 1;
  cut.rows = cut.columns ? x.shape[0] * positions : x.shape[0];
  cut.plane = cut.columns ? 1 : positions;
  return cut;
}

const float* floats(const TensorView& view) { return reinterpret_cast<const float*>(view.data); }
float* out_floats(const TensorView& view) { return reinterpret_cast<float*>(view.data); }

/// y = (x - mean) scale + beta, with scale = gamma invstd.
template <class T>
void normalise(const Cut& cut, const T* x, const float* mean, const float* scale, const float* beta,
               T* y) {
  const std::int64_t channels = cut.channels;
  if (cut.columns) {
    for_each_block(cut.rows, cut.rows_per_part(),
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t row = begin; row < end; ++row) {
                       batch_norm_row(Group(), channels, x + row * channels, mean, scale, beta,
                                      y + row * channels);
                     }
                   });
    return;
  }
  for_each_block(cut.rows * channels, cut.planes_per_task(),
                 [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                   for (std::int64_t plane = begin; plane < end; ++plane) {
                     const std::int64_t c = plane % channels;
                     const float m = mean[c], s = scale[c], b = beta[c];
                     Group().map(
                         cut.plane, [=](float v) { return (v - m) * s + b; },
                         Out{y + plane * cut.plane}, x + plane * cut.plane);
                   }
                 });
}

template <class T>
struct Forward {
  const T* x;
  const float* gamma;
  const float* beta;
  T* y;
  float* mean;
  float* variance;
  float* scale;    // workspace: a channel
  float* partial;  // workspace: mean and square of every part, [parts][2][channels]
  Cut cut;
  double epsilon;

  void operator()() const {
    if (cut.columns) {
      for_each_block(cut.rows, cut.rows_per_part(),
                     [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
                       float* means = partial + 2 * part * cut.channels;
                       column_moments(Group(), end - begin, cut.channels, x + begin * cut.channels,
                                      means, means + cut.channels);
                     });
    } else {
      for_each_block(cut.rows * cut.channels, cut.planes_per_task(),
                     [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                       for (std::int64_t plane = begin; plane < end; ++plane) {
                         const Moments found = moments(Group(), cut.plane, x + plane * cut.plane);
                         float* means = partial + 2 * (plane / cut.channels) * cut.channels;
                         means[plane % cut.channels] = static_cast<float>(found.mean);
                         means[cut.channels + plane % cut.channels] =
                             static_cast<float>(found.square);
                       }
                     });
    }
    for_each_block(cut.channels, 256, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t c = begin; c < end; ++c) merge_channel(c);
    });
    normalise(cut, x, mean, scale, beta, y);
  }

  void merge_channel(std::int64_t c) const {
    Moments all{0, 0, 0};
    for (std::int64_t part = 0; part < cut.parts(); ++part) {
      const std::int64_t rows =
          cut.columns ? std::min(cut.rows_per_part(), cut.rows - part * cut.rows_per_part())
                      : cut.plane;
      const float* means = partial + 2 * part * cut.channels;
      all = merge(all, {static_cast<double>(rows), means[c], means[cut.channels + c]});
    }
    const NormStats stats = batch_norm_stats(all, static_cast<float>(epsilon));
    mean[c] = stats.mean;
    variance[c] = static_cast<float>(all.square / all.count);
    scale[c] = stats.invstd * gamma[c];
  }
};

template <class T>
struct Inference {
  const T* x;
  const float* gamma;
  const float* beta;
  const float* mean;
  const float* variance;
  T* y;
  float* scale;
  Cut cut;
  double epsilon;

  void operator()() const {
    for (std::int64_t c = 0; c < cut.channels; ++c) {
      scale[c] = static_cast<float>(1.0 / std::sqrt(variance[c] + epsilon)) * gamma[c];
    }
    normalise(cut, x, mean, scale, beta, y);
  }
};

/// dy of type G, saved x of type X.
template <class G, class X>
struct Backward {
  const G* dy;
  TensorView saved;
  const float* gamma;
  const float* mean;
  const float* variance;
  G* dx;
  float* dgamma;
  float* dbeta;
  float* channel;  // workspace: mean, invstd, scale, shift, slope: [5][channels]
  float* partial;  // workspace: sums of dy and of dy x_hat of every part, [parts][2][channels]
  Cut cut;
  double epsilon;
  bool fixed;  // the statistics are constants: no gradient through them

  float* row(int i) const { return channel + i * cut.channels; }

  void operator()() const {
    const X* x = reinterpret_cast<const X*>(saved.data);
    const float s = saved.scale != nullptr ? *saved.scale : 1.0F;
    for (std::int64_t c = 0; c < cut.channels; ++c) {
      const auto invstd = static_cast<float>(1.0 / std::sqrt(variance[c] + epsilon));
      row(0)[c] = mean[c] / s;
      row(1)[c] = invstd * s;
      row(2)[c] = gamma[c] * invstd;
    }
    sum_parts(x);
    const auto count = static_cast<float>(cut.count());
    for (std::int64_t c = 0; c < cut.channels; ++c) {
      double beta = 0;
      double gain = 0;
      for (std::int64_t part = 0; part < cut.parts(); ++part) {
        beta += partial[2 * part * cut.channels + c];
        gain += partial[(2 * part + 1) * cut.channels + c];
      }
      dbeta[c] = static_cast<float>(beta);
      dgamma[c] = static_cast<float>(gain);
      row(3)[c] = fixed ? 0.0F : dbeta[c] / count;
      row(4)[c] = fixed ? 0.0F : dgamma[c] / count;
    }
    write_dx(x);
  }

  void sum_parts(const X* x) const {
    const std::int64_t channels = cut.channels;
    if (cut.columns) {
      for_each_block(cut.rows, cut.rows_per_part(),
                     [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
                       float* sums = partial + 2 * part * channels;
                       batch_norm_column_sums(Group(), end - begin, channels, x + begin * channels,
                                              dy + begin * channels, row(0), row(1), sums,
                                              sums + channels);
                     });
      return;
    }
    for_each_block(cut.rows * channels, cut.planes_per_task(),
                   [&](std::int64_t, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t plane = begin; plane < end; ++plane) {
                       const std::int64_t c = plane % channels;
                       const auto both =
                           batch_norm_sums(Group(), cut.plane, x + plane * cut.plane,
                                           dy + plane * cut.plane, {row(0)[c], row(1)[c]});
                       float* sums = partial + 2 * (plane / channels) * channels;
                       sums[c] = both.first;
                       sums[channels + c] = both.second;
                     }
                   });
  }

  void write_dx(const X* x) const {
    const std::int64_t channels = cut.channels;
    if (cut.columns) {
      for_each_block(
          cut.rows, cut.rows_per_part(), [&](std::int64_t, std::int64_t begin, std::int64_t end) {
            for (std::int64_t r = begin; r < end; ++r) {
              batch_norm_backward_row(Group(), channels, x + r * channels, dy + r * channels,
                                      row(0), row(1), row(2), row(3), row(4), dx + r * channels);
            }
          });
      return;
    }
    for_each_block(
        cut.rows * channels, cut.planes_per_task(),
        [&](std::int64_t, std::int64_t begin, std::int64_t end) {
          for (std::int64_t plane = begin; plane < end; ++plane) {
            const std::int64_t c = plane % channels;
            const BatchNormGradient gradient{row(0)[c], row(1)[c], row(2)[c], row(3)[c], row(4)[c]};
            batch_norm_backward_channel(Group(), cut.plane, x + plane * cut.plane,
                                        dy + plane * cut.plane, gradient, dx + plane * cut.plane);
          }
        });
  }
};

bool vectors_fit(const KernelCall& call, std::size_t first, std::int64_t channels) {
  for (std::size_t i = first; i < call.inputs.size(); ++i) {
    if (call.inputs[i].form.dtype != DType::F32 || call.inputs[i].elements() != channels) {
      return false;
    }
  }
  return true;
}

std::int64_t float_bytes(std::int64_t count) {
  return count * static_cast<std::int64_t>(sizeof(float));
}

std::vector<KernelChoice> forward_candidates(const KernelCall& call) {
  const TensorType& x = call.inputs.at(0);
  const std::size_t inputs = call.op == "BatchNormalization" ? 3 : 5;
  if (call.inputs.size() != inputs || x.shape.size() < 2 || !is_carrier(x.form.dtype) ||
      call.outputs.at(0) != x || x.elements() == 0 || !vectors_fit(call, 1, x.shape[1])) {
    return {};
  }
  // The statistics lie in the workspace where the graph does not keep them.
  const Cut cut = cut_of(x);
  const std::int64_t parts = call.op == "BatchNormalization" ? 2 * cut.parts() + 2 : 0;
  return {{.algorithm = "loop", .workspace_bytes = float_bytes((1 + parts) * cut.channels)}};
}

std::vector<KernelChoice> backward_candidates(const KernelCall& call) {
  if (call.inputs.size() != 5 || call.outputs.size() != 3) return {};
  const TensorType& dy = call.inputs[0];
  const TensorType& x = call.inputs[1];
  if (dy.shape.size() < 2 || !is_carrier(dy.form.dtype) || !has_storage(x.form.dtype) ||
      x.shape != dy.shape || x.form.layout != dy.form.layout || call.outputs[0] != dy ||
      dy.elements() == 0 || !vectors_fit(call, 2, dy.shape[1])) {
    return {};
  }
  const Cut cut = cut_of(dy);
  return {
      {.algorithm = "loop", .workspace_bytes = float_bytes((5 + 2 * cut.parts()) * cut.channels)}};
}

BoundKernel bind_forward(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Cut cut = cut_of(call.inputs[0]);
  const double epsilon = call.attributes.number("epsilon", 1e-5);
  auto* workspace = reinterpret_cast<float*>(views.workspace);
  return with_carrier(call.inputs[0].form.dtype, [&]<class T>(T) {
    const auto* x = reinterpret_cast<const T*>(views.inputs[0].data);
    auto* y = reinterpret_cast<T*>(views.outputs[0].data);
    if (call.op == "BatchNormInference") {
      return bound(Inference<T>{x, floats(views.inputs[1]), floats(views.inputs[2]),
                                floats(views.inputs[3]), floats(views.inputs[4]), y, workspace, cut,
                                epsilon});
    }
    float* spare = workspace + cut.channels;
    const auto statistic = [&](std::size_t i) {
      return views.outputs.size() > i ? out_floats(views.outputs[i])
                                      : spare + static_cast<std::int64_t>(i - 1) * cut.channels;
    };
    return bound(Forward<T>{x, floats(views.inputs[1]), floats(views.inputs[2]), y, statistic(1),
                            statistic(2), workspace, spare + 2 * cut.channels, cut, epsilon});
  });
}

BoundKernel bind_backward(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const Cut cut = cut_of(call.inputs[0]);
  auto* workspace = reinterpret_cast<float*>(views.workspace);
  return with_carrier(call.inputs[0].form.dtype, [&]<class G>(G) {
    return with_storage(call.inputs[1].form.dtype, [&]<class X>(X) {
      return bound(Backward<G, X>{
          reinterpret_cast<const G*>(views.inputs[0].data), views.inputs[1],
          floats(views.inputs[2]), floats(views.inputs[3]), floats(views.inputs[4]),
          reinterpret_cast<G*>(views.outputs[0].data), out_floats(views.outputs[1]),
          out_floats(views.outputs[2]), workspace, workspace + 5 * cut.channels, cut,
          call.attributes.number("epsilon", 1e-5), call.op == "BatchNormInferenceGrad"});
    });
  });
}

constexpr KernelEntry kEntries[] = {
    {"BatchNormalization", forward_candidates, bind_forward},
    {"BatchNormInference", forward_candidates, bind_forward},
    {"BatchNormGrad", backward_candidates, bind_backward},
    {"BatchNormInferenceGrad", backward_candidates, bind_backward},
};

}  // namespace

KernelTable batch_norm_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
