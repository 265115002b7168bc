// Losses and their gradients, FP32 from the logits on (numerics.md, section 5). A loss also counts
// its valid targets and hits; a gradient leaves times the loss scale, over the count.
#include <cmath>

#include "kernels/cpu/loops/families.h"
#include "kernels/cpu/loops/group.h"
#include "kernels/cpu/loops/parallel.h"
#include "kernels/math/loss.h"
#include "kernels/step_state.h"

namespace mpsearch::cpu {
inline namespace MPSEARCH_LEVEL {
namespace {

constexpr std::int64_t kRowBlock = 16;  // rows of logits a task
constexpr std::int64_t kIgnoreIndex = -100;

const float* floats(const TensorView& view) { return reinterpret_cast<const float*>(view.data); }
float* out_floats(const TensorView& view) { return reinterpret_cast<float*>(view.data); }
const std::int64_t* integers(const TensorView& view) {
  return reinterpret_cast<const std::int64_t*>(view.data);
}

bool is_f32(const TensorType& type) { return type.form.dtype == DType::F32; }

/// Rows of logits with their labels.
struct Rows {
  const float* logits;
  const std::int64_t* labels;
  std::int64_t rows;
  std::int64_t classes;
  std::int64_t ignore;

  bool valid(std::int64_t row) const { return labels[row] != ignore; }
  std::int64_t count() const {
    std::int64_t valid_rows = 0;
    for (std::int64_t row = 0; row < rows; ++row) valid_rows += valid(row) ? 1 : 0;
    return valid_rows;
  }
};

Rows rows_of(const KernelCall& call, const KernelViews& views) {
  return {floats(views.inputs[0]), integers(views.inputs[1]), call.inputs[1].elements(),
          call.inputs[0].shape.back(), call.attributes.integer("ignore_index", kIgnoreIndex)};
}

bool rows_fit(const KernelCall& call) {
  const Shape& logits = call.inputs[0].shape;
  return call.inputs.size() >= 2 && is_f32(call.inputs[0]) && !logits.empty() &&
         call.inputs[1].form.dtype == DType::I64 &&
         call.inputs[1].shape == Shape(logits.begin(), logits.end() - 1);
}

struct SoftmaxCrossEntropy {
  Rows rows;
  float* loss;
  float* correct;
  float* count;
  double* partial;  // loss, hits, valid rows of a block

  void operator()() const {
    for_each_block(rows.rows, kRowBlock,
                   [&](std::int64_t index, std::int64_t begin, std::int64_t end) {
                     double sums[3] = {0, 0, 0};
                     for (std::int64_t row = begin; row < end; ++row) add(row, sums);
                     for (int i = 0; i < 3; ++i) partial[3 * index + i] = sums[i];
                   });
    double sums[3] = {0, 0, 0};
    for (std::int64_t index = 0; index * kRowBlock < rows.rows; ++index) {
      for (int i = 0; i < 3; ++i) sums[i] += partial[3 * index + i];
    }
    *loss = static_cast<float>(sums[2] > 0 ? sums[0] / sums[2] : 0);
    if (correct != nullptr) *correct = static_cast<float>(sums[1]);
    if (count != nullptr) *count = static_cast<float>(sums[2]);
  }

  void add(std::int64_t row, double (&sums)[3]) const {
    if (!rows.valid(row)) return;
    const float* x = rows.logits + row * rows.classes;
    const std::int64_t label = rows.labels[row];
    sums[0] += cross_entropy(Group(), rows.classes, x, label);
    bool best = true;
    for (std::int64_t c = 0; c < rows.classes; ++c) {
      // The first of equal logits counts as the answer.
      best = best && (x[c] < x[label] || (x[c] == x[label] && c >= label) || c == label);
    }
    sums[1] += best ? 1 : 0;
    sums[2] += 1;
  }
};

std::vector<KernelChoice> cross_entropy_candidates(const KernelCall& call) {
  if (!rows_fit(call) || call.outputs.empty()) return {};
  const std::int64_t blocks = (call.inputs[1].elements() + kRowBlock - 1) / kRowBlock;
  return {{.algorithm = "loop",
           .workspace_bytes = static_cast<std::int64_t>(3 * sizeof(double)) * blocks}};
}

BoundKernel bind_cross_entropy(const KernelCall& call, const KernelChoice&,
                               const KernelViews& views) {
  const auto output = [&](std::size_t i) {
    return views.outputs.size() > i ? out_floats(views.outputs[i]) : nullptr;
  };
  return bound(SoftmaxCrossEntropy{rows_of(call, views), output(0), output(1), output(2),
                                   reinterpret_cast<double*>(views.workspace)});
}

struct SoftmaxCrossEntropyGrad {
  Rows rows;
  const StepState* state;
  float* dx;

  void operator()() const {
    const auto valid = static_cast<float>(std::max<std::int64_t>(1, rows.count()));
    const float scale = state->gradient_scale() / valid;
    for_each_block(rows.rows, kRowBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const std::int64_t label = rows.valid(row) ? rows.labels[row] : -1;
        cross_entropy_backward(Group(), rows.classes, rows.logits + row * rows.classes, label,
                               scale, dx + row * rows.classes);
      }
    });
  }
};

std::vector<KernelChoice> cross_entropy_grad_candidates(const KernelCall& call) {
  if (!rows_fit(call) || call.inputs.size() != 3 || !is_f32(call.outputs.at(0))) return {};
  return {{.algorithm = "loop"}};
}

BoundKernel bind_cross_entropy_grad(const KernelCall& call, const KernelChoice&,
                                    const KernelViews& views) {
  return bound(SoftmaxCrossEntropyGrad{rows_of(call, views),
                                       reinterpret_cast<const StepState*>(views.inputs[2].data),
                                       out_floats(views.outputs[0])});
}

/// Mean of Loss over all elements; hits where a logit is on its target's side.
template <class Loss>
struct ElementLoss {
  const float* x;
  const float* target;
  std::int64_t elements;
  float* loss;
  float* correct;
  float* count;
  double* partial;  // loss and hits of a block

  void operator()() const {
    for_each_block(elements, kBlock, [&](std::int64_t index, std::int64_t begin, std::int64_t end) {
      const Group group;
      partial[2 * index] = element_loss<Loss>(group, end - begin, x + begin, target + begin);
      partial[2 * index + 1] = group.template reduce<SumF64>(
          end - begin, [](float v, float t) { return (v > 0.0F) == (t > 0.5F) ? 1.0 : 0.0; },
          x + begin, target + begin);
    });
    double sum = 0;
    double hits = 0;
    for (std::int64_t index = 0; index * kBlock < elements; ++index) {
      sum += partial[2 * index];
      hits += partial[2 * index + 1];
    }
    *loss = static_cast<float>(sum / static_cast<double>(elements));
    if (correct != nullptr) *correct = static_cast<float>(hits);
    if (count != nullptr) *count = static_cast<float>(elements);
  }
};

bool elements_fit(const KernelCall& call) {
  return call.inputs.size() >= 2 && is_f32(call.inputs[0]) && is_f32(call.inputs[1]) &&
         call.inputs[0].shape == call.inputs[1].shape &&
         call.inputs[0].form.layout == call.inputs[1].form.layout;
}

std::vector<KernelChoice> element_candidates(const KernelCall& call) {
  if (!elements_fit(call)) return {};
  const std::int64_t blocks = (call.inputs[0].elements() + kBlock - 1) / kBlock;
  return {{.algorithm = "loop",
           .workspace_bytes = static_cast<std::int64_t>(2 * sizeof(double)) * blocks}};
}

template <class Loss>
BoundKernel bind_element(const KernelCall& call, const KernelChoice&, const KernelViews& views) {
  const auto output = [&](std::size_t i) {
    return views.outputs.size() > i ? out_floats(views.outputs[i]) : nullptr;
  };
  return bound(ElementLoss<Loss>{floats(views.inputs[0]), floats(views.inputs[1]),
                                 call.inputs[0].elements(), output(0), output(1), output(2),
                                 reinterpret_cast<double*>(views.workspace)});
}

template <class Loss>
struct ElementLossGrad {
  const float* x;
  const float* target;
  const StepState* state;
  std::int64_t elements;
  float* dx;

  void operator()() const {
    const float scale = state->gradient_scale() / static_cast<float>(elements);
    for_each_block(elements, kBlock, [&](std::int64_t, std::int64_t begin, std::int64_t end) {
      element_loss_backward<Loss>(Group(), end - begin, x + begin, target + begin, scale,
                                  dx + begin);
    });
  }
};

std::vector<KernelChoice> element_grad_candidates(const KernelCall& call) {
  if (!elements_fit(call) || call.inputs.size() != 3 || !is_f32(call.outputs.at(0)) ||
      call.outputs[0].form.layout != call.inputs[0].form.layout) {
    return {};
  }
  return {{.algorithm = "loop"}};
}

template <class Loss>
BoundKernel bind_element_grad(const KernelCall& call, const KernelChoice&,
                              const KernelViews& views) {
  return bound(ElementLossGrad<Loss>{floats(views.inputs[0]), floats(views.inputs[1]),
                                     reinterpret_cast<const StepState*>(views.inputs[2].data),
                                     call.inputs[0].elements(), out_floats(views.outputs[0])});
}

constexpr KernelEntry kEntries[] = {
    {"SoftmaxCrossEntropy", cross_entropy_candidates, bind_cross_entropy},
    {"SoftmaxCrossEntropyGrad", cross_entropy_grad_candidates, bind_cross_entropy_grad},
    {"MeanSquaredError", element_candidates, bind_element<SquaredError>},
    {"MeanSquaredErrorGrad", element_grad_candidates, bind_element_grad<SquaredError>},
    {"SigmoidCrossEntropy", element_candidates, bind_element<BinaryCrossEntropy>},
    {"SigmoidCrossEntropyGrad", element_grad_candidates, bind_element_grad<BinaryCrossEntropy>},
};

}  // namespace

KernelTable loss_kernels() { return kEntries; }

}  // namespace MPSEARCH_LEVEL
}  // namespace mpsearch::cpu
