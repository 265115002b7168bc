// Conv, ConvGradInput, ConvGradWeight and ConvTranspose. One plan serves all: two operands, one
// result, of which one is the weights and the others are batches of samples, worked on slice by
// slice.
#include <algorithm>
#include <array>
#include <numeric>

#include "kernels/cpu/products.h"
#include "kernels/cpu/stages.h"

namespace mpsearch::cpu {
namespace {

using onednn::Pass;

/// The call's tensors by what they are: x, w and y, or the gradients in their places. A transposed
/// convolution reads what a convolution writes, and the reverse.
struct Roles {
  Pass pass;
  TensorType x, w, y;
};

std::optional<Roles> roles_of(const KernelCall& call) {
  const bool forward = call.op == "Conv" || call.op == "ConvTranspose";
  const std::size_t inputs = call.inputs.size();
  if (call.outputs.size() != 1 || inputs < 2 || inputs > (forward ? 3u : 2u)) return std::nullopt;
  const TensorType &first = call.inputs[0], &second = call.inputs[1], &out = call.outputs[0];
  Roles roles{Pass::Forward, first, second, out};
  if (call.op == "ConvTranspose") roles = {Pass::Transposed, out, second, first};
  if (call.op == "ConvGradInput") roles = {Pass::GradInput, out, second, first};
  if (call.op == "ConvGradWeight") roles = {Pass::GradWeight, first, out, second};
  const std::size_t rank = roles.x.shape.size();
  if (rank < 3 || rank > 5 || roles.w.shape.size() != rank || roles.y.shape.size() != rank ||
      roles.w.form.layout != Layout::RowMajor ||
      (roles.pass == Pass::GradWeight && roles.w.form.dtype != DType::F32)) {
    return std::nullopt;
  }
  for (const TensorType* type : {&roles.x, &roles.w, &roles.y}) {
    const DType dtype = type->form.dtype;
    if (!is_float(dtype) || dtype == DType::F64 || type->elements() == 0) return std::nullopt;
  }
  if (is_fp8(out.form.dtype)) return std::nullopt;
  if (inputs == 3 && call.inputs[2].form.dtype != DType::F32) return std::nullopt;
  return roles;
}

/// One way to compute a call: the dtype of the primitive's operands and the layout of its images.
struct Way {
  std::string algorithm;
  DType operand;
  Layout layout;
};

bool decodes_to_bf16(DType dtype) { return dtype == DType::BF16 || is_fp8(dtype); }

/// Where one tensor of the call lies while the primitive runs.
struct Place {
  TensorType type;
  Form form;                // as the primitive takes it
  bool direct = true;       // the tensor itself
  std::int64_t offset = 0;  // else in the workspace

  Place(const TensorType& of, Form as) : type(of), form(as), direct(of.form == as) {}
  std::int64_t sample_elements() const { return type.elements() / type.shape[0]; }
  std::int64_t sample_bytes() const { return bytes_of(form.dtype, sample_elements()); }
};

struct ConvolutionPlan {
  Place x, w, y;
  bool bias = false;
  Pass pass = Pass::Forward;
  Slices slices{};
  std::optional<onednn::Operation> main = {};
  std::optional<onednn::Operation> packing = {};  // of weights, or unpacking of their gradient
  bool decodes_weights = false;
  std::int64_t packed = 0, part = 0, scratchpad = 0;  // offsets
  std::int64_t workspace_bytes = 0;

  bool sums() const { return pass == Pass::GradWeight && slices.number > 1; }
};

/// Images of one channel or one position, whose layouts coincide. The library takes their two
/// descriptors for one, and which plan it gives would depend on the one that it met first.
bool one_layout(const Roles& roles) {
  return std::ranges::all_of(std::array{&roles.x, &roles.y}, [](const TensorType* image) {
    const Shape& shape = image->shape;
    return shape[1] == 1 || image->elements() == shape[0] * shape[1];
  });
}

onednn::Convolution convolution_of(const KernelCall& call, const Roles& roles, const Way& way) {
  const std::size_t spatial = roles.x.shape.size() - 2;
  const auto each = [&](std::string_view name, std::size_t count, std::int64_t otherwise) {
    Shape values = call.attributes.integers(name);
    if (values.empty()) values.assign(count, otherwise);
    return values;
  };
  const TensorType& result = call.outputs[0];
  const bool images = roles.pass != Pass::GradWeight;
  const bool bf16_result =
      way.operand == DType::BF16 && images && result.form == Form{DType::BF16, way.layout};
  return {.pass = roles.pass,
          .x = roles.x.shape,
          .w = roles.w.shape,
          .y = roles.y.shape,
          .group = call.attributes.integer("group", 1),
          .strides = each("strides", spatial, 1),
          .pads = each("pads", 2 * spatial, 0),
          .dilations = each("dilations", spatial, 1),
          .layout = one_layout(roles) ? Layout::ChannelsLast : way.layout,
          .operand = way.operand,
          .result = bf16_result ? DType::BF16 : DType::F32,
          .bias = call.inputs.size() == 3};
}

/// Slices amortise what is done once a slice with all weights (reading them, or adding to their
/// gradient), so a slice has enough positions of y.
Slices slices_of(const ConvolutionPlan& plan) {
  constexpr std::int64_t kPositions = 2048;
  const std::int64_t samples = plan.x.type.shape[0];
  std::int64_t bytes = 0;
  if (!plan.x.direct) bytes += plan.x.sample_bytes();
  if (!plan.y.direct) bytes += plan.y.sample_bytes();
  if (bytes == 0) return {.count = samples, .size = samples, .number = 1};
  const Shape& y = plan.y.type.shape;
  const std::int64_t positions =
      std::accumulate(y.begin() + 2, y.end(), std::int64_t{1}, std::multiplies<>());
  const int threads = threads_in_use();
  const std::int64_t least =
      std::max<std::int64_t>(threads, (kPositions + positions - 1) / positions);
  return Slices::of(samples, bytes, least, threads);
}

/// The formats of weights: plain as the call has them, decoded where the primitive cannot take
/// their dtype, packed where it wants another order.
void plan_weights(ConvolutionPlan& plan, DType operand) {
  const onednn::Operation& main = *plan.main;
  const bool gradient = plan.pass == Pass::GradWeight;
  // The library converts dtypes while it reorders too, but on some CPUs by its slow reference.
  plan.decodes_weights = !gradient && plan.w.type.form.dtype != operand;
  if (main.plain_weights()) return;
  plan.packing = gradient ? plan_unpacking(main) : plan_packing(main);
}

std::optional<ConvolutionPlan> plan_of(const KernelCall& call, const Roles& roles, const Way& way) {
  onednn::Convolution convolution = convolution_of(call, roles, way);
  const auto image = [&](bool result) {
    return Form{result ? convolution.result : way.operand, way.layout};
  };
  const bool gives_x = roles.pass == Pass::GradInput || roles.pass == Pass::Transposed;
  ConvolutionPlan plan{.x = Place(roles.x, image(gives_x)),
                       .w = Place(roles.w, {way.operand, Layout::RowMajor}),
                       .y = Place(roles.y, image(roles.pass == Pass::Forward)),
                       .bias = convolution.bias,
                       .pass = roles.pass};
  plan.slices = slices_of(plan);
  convolution.x[0] = convolution.y[0] = plan.slices.size;
  plan.main = onednn::plan(convolution);
  if (!plan.main) return std::nullopt;

  plan_weights(plan, way.operand);
  if (!plan.packing && !plan.main->plain_weights()) return std::nullopt;
  WorkspaceLayout workspace;
  // First: the library leaves bytes at a scratchpad's end alone, and an arena's end is to be used.
  std::int64_t scratchpad = plan.main->scratchpad_bytes();
  if (plan.packing) scratchpad = std::max(scratchpad, plan.packing->scratchpad_bytes());
  plan.scratchpad = workspace.add(scratchpad);
  if (plan.packing) plan.packed = workspace.add(plan.main->weights_bytes());
  if (plan.sums()) plan.part = workspace.add(plan.main->weights_bytes());
  // Decoded weights are packed before the first slice is decoded: one place serves both.
  const bool passing = plan.decodes_weights && plan.packing.has_value();
  if (plan.decodes_weights && !passing) {
    plan.w.offset = workspace.add(bytes_of(way.operand, plan.w.type.elements()));
  }
  WorkspaceLayout slice = workspace;
  for (Place* place : {&plan.x, &plan.y}) {
    if (!place->direct) place->offset = slice.add(plan.slices.size * place->sample_bytes());
  }
  WorkspaceLayout weights = workspace;
  if (passing) plan.w.offset = weights.add(bytes_of(way.operand, plan.w.type.elements()));
  plan.workspace_bytes = std::max(slice.bytes(), weights.bytes());
  return plan;
}

/// Every way that the call's dtypes and layouts allow, best guess first.
std::vector<Way> ways_of(const KernelCall& call, const Roles& roles) {
  std::vector<Layout> layouts{Layout::ChannelsLast};
  const bool row_major =
      roles.x.form.layout == Layout::RowMajor && roles.y.form.layout == Layout::RowMajor;
  if (row_major && one_layout(roles)) layouts.clear();
  if (row_major) layouts.push_back(Layout::RowMajor);
  const DType first = call.inputs[0].form.dtype, second = call.inputs[1].form.dtype;
  std::vector<DType> operands{DType::F32};
  if (decodes_to_bf16(first) && decodes_to_bf16(second)) operands = {DType::BF16, DType::F32};
  std::vector<Way> ways;
  for (const Layout layout : layouts) {
    for (const DType operand : operands) {
      const bool same = first == operand && second == operand;
      std::string name = same                     ? "onednn.native"
                         : operand == DType::BF16 ? "onednn.decoded_bf16"
                                                  : "onednn.decoded";
      if (row_major && layout == Layout::ChannelsLast) name += ".nhwc";
      ways.push_back({std::move(name), operand, layout});
    }
  }
  return ways;
}

std::vector<KernelChoice> candidates(const KernelCall& call) {
  const std::optional<Roles> roles = roles_of(call);
  if (!roles) return {};
  std::vector<KernelChoice> choices;
  for (const Way& way : ways_of(call, *roles)) {
    if (const std::optional<ConvolutionPlan> plan = plan_of(call, *roles, way)) {
      choices.push_back({.algorithm = way.algorithm, .workspace_bytes = plan->workspace_bytes});
    }
  }
  return choices;
}

/// Builds the stages of a planned convolution on given addresses.
class Builder {
 public:
  Builder(const ConvolutionPlan& plan, const KernelViews& views)
      : plan_(plan), views_(views), workspace_(views.workspace) {}

  Stages forward_or_input() {
    const std::byte* weights = ready_weights();
    const bool forward = plan_.pass == Pass::Forward;
    const Place &in = forward ? plan_.x : plan_.y, &out = forward ? plan_.y : plan_.x;
    const std::byte* bias = plan_.bias ? views_.inputs[2].data : nullptr;
    const std::vector<std::function<void()>> launches = compile_slices([&](std::int64_t index) {
      return onednn::Addresses{address(in, views_.inputs[0], index), weights, bias,
                               address(out, views_.outputs[0], index), at(plan_.scratchpad)};
    });
    for (std::int64_t index = 0; index < plan_.slices.number; ++index) {
      decode(in, views_.inputs[0], index, 0);
      stages_.add(launches[static_cast<std::size_t>(index)]);
      if (!out.direct) {
        stages_.encode_samples(reinterpret_cast<const float*>(at(out.offset)), out.form.layout,
                               views_.outputs[0], plan_.slices.first(index), plan_.slices.size);
      }
    }
    return std::move(stages_);
  }

  Stages weight_gradient() {
    const bool plain = !plan_.packing;
    std::byte* result = plain ? views_.outputs[0].data : at(plan_.packed);
    const std::vector<std::function<void()>> launches = compile_slices([&](std::int64_t index) {
      return onednn::Addresses{address(plan_.x, views_.inputs[0], index),
                               address(plan_.y, views_.inputs[1], index), nullptr,
                               index == 0 ? result : at(plan_.part), at(plan_.scratchpad)};
    });
    for (std::int64_t index = 0; index < plan_.slices.number; ++index) {
      // What two slices share counts once: as zero in the later one. At least one of the operands
      // is decoded where there is more than one slice.
      decode(plan_.x, views_.inputs[0], index, plan_.slices.overlap(index));
      decode(plan_.y, views_.inputs[1], index, plan_.slices.overlap(index));
      stages_.add(launches[static_cast<std::size_t>(index)]);
      if (index > 0) {
        stages_.accumulate(reinterpret_cast<const float*>(at(plan_.part)),
                           reinterpret_cast<float*>(result), plan_.main->weights_bytes() / 4);
      }
    }
    if (!plain) {
      const onednn::Addresses unpack{
          .first = result, .result = views_.outputs[0].data, .scratchpad = at(plan_.scratchpad)};
      stages_.add(onednn::compile(*plan_.packing, {&unpack, 1}).front());
    }
    return std::move(stages_);
  }

 private:
  std::byte* at(std::int64_t offset) const { return workspace_ + offset; }

  /// Where the primitive finds slice `index` of a tensor.
  std::byte* address(const Place& place, const TensorView& view, std::int64_t index) const {
    if (!place.direct) return at(place.offset);
    return view.data + plan_.slices.first(index) * place.sample_bytes();
  }

  void decode(const Place& place, const TensorView& view, std::int64_t index, std::int64_t zeros) {
    if (place.direct) return;
    stages_.fill_zero(at(place.offset), zeros * place.sample_bytes());
    stages_.decode_samples(view, plan_.slices.first(index) + zeros, plan_.slices.size - zeros,
                           place.form, at(place.offset) + zeros * place.sample_bytes());
  }

  template <class F>
  std::vector<std::function<void()>> compile_slices(const F& addresses_of) const {
    std::vector<onednn::Addresses> addresses;
    for (std::int64_t index = 0; index < plan_.slices.number; ++index) {
      addresses.push_back(addresses_of(index));
    }
    return onednn::compile(*plan_.main, addresses);
  }

  /// Adds the stages that prepare the weights; returns where the primitive finds them.
  const std::byte* ready_weights() {
    const TensorView& view = views_.inputs[1];
    const std::byte* weights = view.data;
    if (plan_.decodes_weights) {
      stages_.decode(view, 0, view.type.elements(), plan_.w.form.dtype, at(plan_.w.offset));
      weights = at(plan_.w.offset);
    }
    if (!plan_.packing) return weights;
    const onednn::Addresses pack{
        .first = weights, .result = at(plan_.packed), .scratchpad = at(plan_.scratchpad)};
    stages_.add(onednn::compile(*plan_.packing, {&pack, 1}).front());
    return at(plan_.packed);
  }

  const ConvolutionPlan& plan_;
  const KernelViews& views_;
  std::byte* workspace_;
  Stages stages_;
};

BoundKernel bind(const KernelCall& call, const KernelChoice& choice, const KernelViews& views) {
  const Roles roles = roles_of(call).value();
  const std::vector<Way> ways = ways_of(call, roles);
  const auto way = std::ranges::find(ways, choice.algorithm, &Way::algorithm);
  const ConvolutionPlan plan = plan_of(call, roles, *way).value();
  Builder builder(plan, views);
  return bound(plan.pass == Pass::GradWeight ? builder.weight_gradient()
                                             : builder.forward_or_input());
}

constexpr KernelEntry kEntries[] = {{"Conv", candidates, bind},
                                    {"ConvGradInput", candidates, bind},
                                    {"ConvGradWeight", candidates, bind},
                                    {"ConvTranspose", candidates, bind}};

}  // namespace

KernelTable convolution_kernels() { return kEntries; }

}  // namespace mpsearch::cpu
