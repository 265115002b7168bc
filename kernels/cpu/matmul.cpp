// MatMul: y = alpha a b + beta bias. Operands that the primitive cannot take as they are get
// decoded: whole where they are read again and again, else slice by slice along the dimension that
// slices the result (rows or batch), or along the inner dimension, adding up in F32.
#include <algorithm>
#include <numeric>

#include "kernels/cpu/products.h"
#include "kernels/cpu/stages.h"

namespace mpsearch::cpu {
namespace {

/// The dimension along which a product is cut.
enum class Cut { None, Rows, Inner, Batch };

/// A call in its simplest form: a batch that both operands share is one dimension, and where b has
/// none, a's is part of its rows.
struct Problem {
  Shape a, b, y;  // as in memory, of equal rank
  bool transpose_a = false, transpose_b = false;
  float alpha = 1, beta = 1;
  bool bias = false;
  bool plain_bias = false;  // one value a column, as it is
  Cut cut = Cut::None;
};

std::int64_t product_of(const Shape& shape, std::size_t first, std::size_t last) {
  return std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(first),
                         shape.begin() + static_cast<std::ptrdiff_t>(last), std::int64_t{1},
                         std::multiplies<>());
}

Shape padded_to(std::size_t rank, Shape shape) {
  shape.insert(shape.begin(), rank - shape.size(), 1);
  return shape;
}

void merge_batch(Problem& problem) {
  const std::size_t rank = problem.y.size(), batch = rank - 2;
  const auto merged = [&](const Shape& shape) {
    return Shape{product_of(shape, 0, batch), shape[rank - 2], shape[rank - 1]};
  };
  const auto rows = [&](const Shape& shape) {
    return Shape{product_of(shape, 0, rank - 1), shape[rank - 1]};
  };
  if (product_of(problem.b, 0, batch) == 1 && !problem.transpose_a) {
    problem.a = rows(problem.a);
    problem.b = {problem.b[rank - 2], problem.b[rank - 1]};
    problem.y = rows(problem.y);
  } else if (batch > 1 && std::equal(problem.a.begin(), problem.a.end() - 2, problem.b.begin())) {
    problem.a = merged(problem.a);
    problem.b = merged(problem.b);
    problem.y = merged(problem.y);
  }
}

std::optional<Problem> problem_of(const KernelCall& call) {
  const std::size_t inputs = call.inputs.size();
  if (call.outputs.size() != 1 || inputs < 2 || inputs > 3) return std::nullopt;
  const TensorType &a = call.inputs[0], &b = call.inputs[1], &y = call.outputs[0];
  for (const TensorType* type : {&a, &b, &y}) {
    const DType dtype = type->form.dtype;
    if (!is_float(dtype) || dtype == DType::F64 || type->form.layout != Layout::RowMajor ||
        type->shape.size() < 2 || type->elements() == 0) {
      return std::nullopt;
    }
  }
  const std::size_t rank = y.shape.size();
  if (is_fp8(y.form.dtype)) return std::nullopt;
  if (rank > 8 || a.shape.size() > rank || b.shape.size() > rank) return std::nullopt;
  Problem problem{.a = padded_to(rank, a.shape),
                  .b = padded_to(rank, b.shape),
                  .y = y.shape,
                  .transpose_a = call.attributes.integer("transA", 0) != 0,
                  .transpose_b = call.attributes.integer("transB", 0) != 0,
                  .alpha = static_cast<float>(call.attributes.number("alpha", 1)),
                  .beta = static_cast<float>(call.attributes.number("beta", 1))};
  problem.bias = inputs == 3 && problem.beta != 0;
  if (problem.bias) {
    const TensorType& bias = call.inputs[2];
    if (bias.form.dtype != DType::F32 || bias.shape.size() > rank) return std::nullopt;
    problem.plain_bias = problem.alpha == 1 && problem.beta == 1 && !bias.shape.empty() &&
                         bias.shape.back() == y.shape.back() && bias.elements() == y.shape.back();
  }
  merge_batch(problem);
  return problem;
}

/// Where one tensor of the call lies while the primitive runs.
struct Place {
  bool direct = true;         // the tensor itself
  bool cut = false;           // slices follow each other along its first dimension
  std::int64_t elements = 0;  // of all of it, or for each item of the cut
  std::int64_t offset = 0;    // in the workspace, unless direct
};

struct Plan {
  Problem problem;
  DType operand = DType::F32, result = DType::F32;
  Place a, b, y;
  Slices slices{};
  bool finishes = false;  // the result needs alpha, a bias or another dtype
  std::optional<onednn::Operation> main;
  std::int64_t scratchpad = 0, workspace_bytes = 0;
};

/// Which dimension to cut, if decoding makes it worth while.
Cut cut_of(const Plan& plan) {
  const Problem& problem = plan.problem;
  if (plan.a.direct && plan.b.direct && plan.y.direct) return Cut::None;
  if (problem.y.size() > 2) return problem.y[0] > 1 ? Cut::Batch : Cut::None;
  if (!problem.transpose_a) return Cut::Rows;
  return problem.transpose_b ? Cut::None : Cut::Inner;
}

/// Sets which tensors the cut goes through and how large a slice is.
void slice(Plan& plan) {
  constexpr std::int64_t kRows = 512;  // enough work on each reading of the operand that stays
  const Problem& problem = plan.problem;
  const bool cuts_result = problem.cut == Cut::Rows || problem.cut == Cut::Batch;
  const std::int64_t length = cuts_result                 ? problem.y[0]
                              : problem.cut == Cut::Inner ? problem.a[0]
                                                          : 1;
  plan.a.cut = problem.cut != Cut::None && problem.a[0] == length;
  plan.b.cut = (problem.cut == Cut::Inner || problem.cut == Cut::Batch) && problem.b[0] == length;
  plan.y.cut = cuts_result;
  const auto share = [&](Place& place, const Shape& shape, DType dtype) {
    place.elements = elements_of(shape) / (place.cut ? length : 1);
    return place.cut && !place.direct ? bytes_of(dtype, place.elements) : 0;
  };
  const std::int64_t bytes = share(plan.a, problem.a, plan.operand) +
                             share(plan.b, problem.b, plan.operand) +
                             share(plan.y, problem.y, DType::F32);
  const int threads = threads_in_use();
  const std::int64_t least = problem.cut == Cut::Batch ? threads : kRows * threads;
  plan.slices = bytes == 0 ? Slices{.count = length, .size = length, .number = 1}
                           : Slices::of(length, bytes, least, threads);
}

Shape part_of(const Shape& shape, const Place& place, std::int64_t size) {
  Shape part = shape;
  if (place.cut) part[0] = size;
  return part;
}

std::optional<Plan> plan_of(const KernelCall& call, Problem problem, DType operand) {
  const DType result = call.outputs[0].form.dtype;
  Plan plan;
  plan.problem = std::move(problem);
  plan.operand = operand;
  const bool epilogue = plan.problem.alpha != 1 || (plan.problem.bias && !plan.problem.plain_bias);
  const bool bf16 = operand == DType::BF16 && result == DType::BF16 && !epilogue;
  plan.result = bf16 ? DType::BF16 : DType::F32;
  plan.a.direct = call.inputs[0].form.dtype == operand;
  plan.b.direct = call.inputs[1].form.dtype == operand;
  plan.y.direct = result == plan.result;
  plan.problem.cut = cut_of(plan);
  slice(plan);
  if (plan.slices.number == 1 && plan.problem.cut == Cut::Inner) {
    plan.problem.cut = Cut::None;
    slice(plan);
  }
  const bool adds = plan.problem.cut == Cut::Inner;
  if (adds && bf16) {  // partial sums are not rounded
    plan.result = DType::F32;
    plan.y.direct = false;
  }
  plan.finishes = epilogue || !plan.y.direct || (adds && plan.problem.bias);
  const Problem& p = plan.problem;
  plan.main = onednn::plan({.a = part_of(p.a, plan.a, plan.slices.size),
                            .b = part_of(p.b, plan.b, plan.slices.size),
                            .result_shape = part_of(p.y, plan.y, plan.slices.size),
                            .transpose_a = p.transpose_a,
                            .transpose_b = p.transpose_b,
                            .operand = operand,
                            .result = plan.result,
                            .bias = p.plain_bias && !adds,
                            .add = adds});
  if (!plan.main) return std::nullopt;
  WorkspaceLayout workspace;
  const auto place = [&](Place& tensor, DType dtype) {
    if (tensor.direct) return;
    const std::int64_t items = tensor.cut ? plan.slices.size : 1;
    tensor.offset = workspace.add(bytes_of(dtype, items * tensor.elements));
  };
  // First: the library leaves bytes at a scratchpad's end alone, and an arena's end is to be used.
  plan.scratchpad = workspace.add(plan.main->scratchpad_bytes());
  place(plan.a, operand);
  place(plan.b, operand);
  place(plan.y, DType::F32);
  plan.workspace_bytes = workspace.bytes();
  return plan;
}

struct Way {
  std::string algorithm;
  DType operand;
};

std::vector<Way> ways_of(const KernelCall& call) {
  const DType a = call.inputs[0].form.dtype, b = call.inputs[1].form.dtype;
  const auto known = [](DType dtype) { return dtype == DType::BF16 || is_fp8(dtype); };
  std::vector<Way> ways;
  if (known(a) && known(b)) {
    const bool native = a == DType::BF16 && b == DType::BF16;
    ways.push_back({native ? "onednn.native" : "onednn.decoded_bf16", DType::BF16});
  }
  const bool native = a == DType::F32 && b == DType::F32;
  ways.push_back({native ? "onednn.native" : "onednn.decoded", DType::F32});
  return ways;
}

std::vector<KernelChoice> candidates(const KernelCall& call) {
  const std::optional<Problem> problem = problem_of(call);
  if (!problem) return {};
  std::vector<KernelChoice> choices;
  for (const Way& way : ways_of(call)) {
    if (const std::optional<Plan> plan = plan_of(call, *problem, way.operand)) {
      choices.push_back({.algorithm = way.algorithm, .workspace_bytes = plan->workspace_bytes});
    }
  }
  return choices;
}

/// Where each row of y finds its bias; empty where all rows share one.
std::shared_ptr<const std::vector<std::int64_t>> bias_rows(const Shape& bias_shape,
                                                           const Shape& y) {
  const std::size_t rank = y.size();
  const Shape bias = padded_to(rank, bias_shape);
  if (product_of(bias, 0, rank - 1) == 1) return nullptr;
  const Shape strides = strides_of({bias, {}});
  std::vector<std::int64_t> rows(static_cast<std::size_t>(product_of(y, 0, rank - 1)));
  for (std::size_t row = 0; row < rows.size(); ++row) {
    std::int64_t rest = static_cast<std::int64_t>(row), offset = 0;
    for (std::size_t d = rank - 1; d-- > 0; rest /= y[d]) {
      if (bias[d] > 1) offset += rest % y[d] * strides[d];
    }
    rows[row] = offset;
  }
  return std::make_shared<const std::vector<std::int64_t>>(std::move(rows));
}

/// Builds the stages of a planned product on given addresses.
class Builder {
 public:
  Builder(const KernelCall& call, const Plan& plan, const KernelViews& views)
      : call_(call), plan_(plan), views_(views) {}

  Stages build() {
    const bool adds = plan_.problem.cut == Cut::Inner;
    if (!plan_.a.cut) decode(plan_.a, views_.inputs[0], 0);
    if (!plan_.b.cut) decode(plan_.b, views_.inputs[1], 0);
    if (adds) stages_.fill_zero(address(plan_.y, views_.outputs[0], 0), 4 * plan_.y.elements);
    const std::vector<std::function<void()>> launches = compile_slices();
    for (std::int64_t index = 0; index < plan_.slices.number; ++index) {
      if (plan_.a.cut) decode(plan_.a, views_.inputs[0], index);
      if (plan_.b.cut) decode(plan_.b, views_.inputs[1], index);
      stages_.add(launches[static_cast<std::size_t>(index)]);
      if (plan_.finishes && !adds) finish(index);
    }
    if (plan_.finishes && adds) finish(0);
    return std::move(stages_);
  }

 private:
  std::byte* address(const Place& place, const TensorView& view, std::int64_t index) const {
    if (!place.direct) return views_.workspace + place.offset;
    const std::int64_t first = place.cut ? plan_.slices.first(index) : 0;
    return view.data + bytes_of(view.type.form.dtype, first * place.elements);
  }

  /// Along the inner dimension, what two slices share counts once: as zero in the later one.
  void decode(const Place& place, const TensorView& view, std::int64_t index) {
    if (place.direct) return;
    std::byte* to = views_.workspace + place.offset;
    if (!place.cut) {
      stages_.decode(view, 0, place.elements, plan_.operand, to);
      return;
    }
    const bool adds = plan_.problem.cut == Cut::Inner;
    const std::int64_t zeros = adds ? plan_.slices.overlap(index) : 0;
    const std::int64_t zero_bytes = bytes_of(plan_.operand, zeros * place.elements);
    stages_.fill_zero(to, zero_bytes);
    stages_.decode(view, (plan_.slices.first(index) + zeros) * place.elements,
                   (plan_.slices.size - zeros) * place.elements, plan_.operand, to + zero_bytes);
  }

  std::vector<std::function<void()>> compile_slices() const {
    const bool bias = plan_.problem.plain_bias && plan_.problem.cut != Cut::Inner;
    std::vector<onednn::Addresses> addresses;
    for (std::int64_t index = 0; index < plan_.slices.number; ++index) {
      addresses.push_back({.first = address(plan_.a, views_.inputs[0], index),
                           .second = address(plan_.b, views_.inputs[1], index),
                           .bias = bias ? views_.inputs[2].data : nullptr,
                           .result = address(plan_.y, views_.outputs[0], index),
                           .scratchpad = views_.workspace + plan_.scratchpad});
    }
    return onednn::compile(*plan_.main, addresses);
  }

  void finish(std::int64_t index) {
    const Problem& problem = plan_.problem;
    const std::int64_t columns = problem.y.back();
    Epilogue epilogue{.columns = columns, .alpha = problem.alpha, .beta = problem.beta};
    const bool in_primitive = problem.plain_bias && problem.cut != Cut::Inner;
    if (problem.bias && !in_primitive) {
      const TensorView& bias = views_.inputs[2];
      epilogue.bias = reinterpret_cast<const float*>(bias.data);
      epilogue.bias_column_stride = !bias.type.shape.empty() && bias.type.shape.back() > 1 ? 1 : 0;
      if (const auto rows = bias_rows(bias.type.shape, call_.outputs[0].shape)) {
        epilogue.bias_rows = rows->data();
        stages_.keep(rows);
      }
    }
    const TensorView& y = views_.outputs[0];
    const std::int64_t first = plan_.y.cut ? plan_.slices.first(index) * plan_.y.elements : 0;
    const std::int64_t elements = plan_.y.elements * (plan_.y.cut ? plan_.slices.size : 1);
    // A slice that overlaps the one before finishes the shared rows from new sums, unless they lie
    // in y itself, where they are new too: the primitive has just written them.
    stages_.finish(epilogue, reinterpret_cast<const float*>(address(plan_.y, y, index)),
                   y.type.form.dtype, y.data + bytes_of(y.type.form.dtype, first), first / columns,
                   elements / columns);
  }

  const KernelCall& call_;
  const Plan& plan_;
  const KernelViews& views_;
  Stages stages_;
};

BoundKernel bind(const KernelCall& call, const KernelChoice& choice, const KernelViews& views) {
  const std::vector<Way> ways = ways_of(call);
  const auto way = std::ranges::find(ways, choice.algorithm, &Way::algorithm);
  const Plan plan = plan_of(call, problem_of(call).value(), way->operand).value();
  return bound(Builder(call, plan, views).build());
}

constexpr KernelEntry kEntries[] = {{"MatMul", candidates, bind}};

}  // namespace

KernelTable matmul_kernels() { return kEntries; }

}  // namespace mpsearch::cpu
