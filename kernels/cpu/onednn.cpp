#include "kernels/cpu/onednn.h"

#include <array>

#include <dnnl.hpp>

#include "kernels/error.h"

namespace mpsearch::cpu::onednn {

using Tag = dnnl::memory::format_tag;
using Desc = dnnl::memory::desc;

/// One argument of a primitive.
struct Argument {
  int id;
  Desc desc;
};

struct Operation::Plan {
  dnnl::primitive_desc_base primitive;
  std::optional<Argument> first, second, bias, result, scratchpad;
  Desc weights, plain;  // as the primitive wants them, and row-major
};

namespace {

const dnnl::engine& engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

const dnnl::stream& stream() {
  static const dnnl::stream stream(engine());
  return stream;
}

dnnl::memory::data_type type_of(DType dtype) {
  require(dtype == DType::F32 || dtype == DType::BF16, ErrorKind::Internal,
          "oneDNN is asked for a dtype that is neither F32 nor BF16");
  return dtype == DType::F32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
}

Desc activation(const Shape& shape, DType dtype, Layout layout) {
  constexpr std::array<Tag, 3> row_major{Tag::ncw, Tag::nchw, Tag::ncdhw};
  constexpr std::array<Tag, 3> channels_last{Tag::nwc, Tag::nhwc, Tag::ndhwc};
  const std::size_t spatial = shape.size() - 2;
  const auto& tags = layout == Layout::RowMajor ? row_major : channels_last;
  return {shape, type_of(dtype), tags.at(spatial - 1)};
}

/// [M, C/g, kernel...], or [g, M/g, C/g, kernel...] for groups; of a deconvolution the library
/// names the outputs (C) first.
Desc weights_of(const Convolution& convolution, DType dtype, bool any) {
  constexpr std::array<Tag, 3> plain{Tag::oiw, Tag::oihw, Tag::oidhw};
  constexpr std::array<Tag, 3> grouped{Tag::goiw, Tag::goihw, Tag::goidhw};
  Shape shape = convolution.w;
  const std::size_t spatial = shape.size() - 2;
  const bool groups = convolution.group > 1;
  if (groups) {
    shape[0] /= convolution.group;
    shape.insert(shape.begin(), convolution.group);
  }
  const Tag tag = (groups ? grouped : plain).at(spatial - 1);
  if (convolution.pass != Pass::Transposed) return {shape, type_of(dtype), any ? Tag::any : tag};
  Shape strides = strides_of({shape, {}});
  const std::size_t first = groups ? 1 : 0;
  std::swap(shape[first], shape[first + 1]);
  std::swap(strides[first], strides[first + 1]);
  return any ? Desc(shape, type_of(dtype), Tag::any) : Desc(shape, type_of(dtype), strides);
}

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

/// The library's reference of BF16 is correct, but far slower than any other way.
bool is_slow(const dnnl::primitive_desc_base& primitive, DType operand) {
  const std::string_view name = primitive.impl_info_str();
  return operand == DType::BF16 && name.find("ref") != std::string_view::npos;
}

std::optional<Operation> finished(Operation::Plan plan, DType operand) {
  if (is_slow(plan.primitive, operand)) return std::nullopt;
  plan.scratchpad = Argument{DNNL_ARG_SCRATCHPAD, plan.primitive.scratchpad_desc()};
  return Operation(std::make_shared<const Operation::Plan>(std::move(plan)));
}

struct ConvolutionDescs {
  Desc x, w, y, bias;
  dnnl::memory::dims strides, dilations, begin, end;
};

ConvolutionDescs descs_of(const Convolution& asked) {
  const auto spatial = static_cast<std::ptrdiff_t>(asked.x.size()) - 2;
  const auto dtype = [&](Pass pass) { return asked.pass == pass ? asked.result : asked.operand; };
  const bool transposed = asked.pass == Pass::Transposed;
  ConvolutionDescs descs{
      .x = activation(asked.x, transposed ? asked.result : dtype(Pass::GradInput), asked.layout),
      .w = weights_of(asked, dtype(Pass::GradWeight), true),
      .y = activation(asked.y, dtype(Pass::Forward), asked.layout),
      .bias = asked.bias ? Desc({transposed ? asked.x[1] : asked.w[0]},
                                dnnl::memory::data_type::f32, Tag::x)
                         : Desc(),
      .strides = asked.strides,
      .dilations = asked.dilations,
      .begin = {asked.pads.begin(), asked.pads.begin() + spatial},
      .end = {asked.pads.begin() + spatial, asked.pads.end()}};
  for (std::int64_t& dilation : descs.dilations) --dilation;  // oneDNN counts the gaps
  return descs;
}

dnnl::convolution_forward::primitive_desc forward(const ConvolutionDescs& descs) {
  return {{dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, descs.x, descs.w,
           descs.bias, descs.y, descs.strides, descs.dilations, descs.begin, descs.end},
          attributes(),
          engine()};
}

Operation::Plan plan_forward(const ConvolutionDescs& descs, bool bias) {
  const auto primitive = forward(descs);
  Operation::Plan plan{.primitive = primitive,
                       .first = Argument{DNNL_ARG_SRC, descs.x},
                       .second = Argument{DNNL_ARG_WEIGHTS, primitive.weights_desc()},
                       .bias = {},
                       .result = Argument{DNNL_ARG_DST, descs.y},
                       .scratchpad = {},
                       .weights = primitive.weights_desc(),
                       .plain = {}};
  if (bias) plan.bias = Argument{DNNL_ARG_BIAS, descs.bias};
  return plan;
}

/// A gradient's plan wants a forward one as a hint; its formats do not matter.
dnnl::convolution_forward::primitive_desc hint(const Convolution& asked) {
  Convolution like = asked;
  like.pass = Pass::Forward;
  like.result = asked.operand;
  return forward(descs_of(like));
}

Operation::Plan plan_grad_input(const ConvolutionDescs& descs, const Convolution& asked) {
  const dnnl::convolution_backward_data::primitive_desc primitive(
      {dnnl::algorithm::convolution_direct, descs.x, descs.w, descs.y, descs.strides,
       descs.dilations, descs.begin, descs.end},
      attributes(), engine(), hint(asked));
  return {.primitive = primitive,
          .first = Argument{DNNL_ARG_DIFF_DST, descs.y},
          .second = Argument{DNNL_ARG_WEIGHTS, primitive.weights_desc()},
          .bias = {},
          .result = Argument{DNNL_ARG_DIFF_SRC, descs.x},
          .scratchpad = {},
          .weights = primitive.weights_desc(),
          .plain = {}};
}

Operation::Plan plan_grad_weight(const ConvolutionDescs& descs, const Convolution& asked) {
  const dnnl::convolution_backward_weights::primitive_desc primitive(
      {dnnl::algorithm::convolution_direct, descs.x, descs.w, descs.y, descs.strides,
       descs.dilations, descs.begin, descs.end},
      attributes(), engine(), hint(asked));
  return {.primitive = primitive,
          .first = Argument{DNNL_ARG_SRC, descs.x},
          .second = Argument{DNNL_ARG_DIFF_DST, descs.y},
          .bias = {},
          .result = Argument{DNNL_ARG_DIFF_WEIGHTS, primitive.diff_weights_desc()},
          .scratchpad = {},
          .weights = primitive.diff_weights_desc(),
          .plain = {}};
}

Operation::Plan plan_transposed(const ConvolutionDescs& descs, bool bias) {
  const dnnl::deconvolution_forward::primitive_desc primitive(
      {dnnl::prop_kind::forward_training, dnnl::algorithm::deconvolution_direct, descs.y, descs.w,
       descs.bias, descs.x, descs.strides, descs.dilations, descs.begin, descs.end},
      attributes(), engine());
  Operation::Plan plan{.primitive = primitive,
                       .first = Argument{DNNL_ARG_SRC, descs.y},
                       .second = Argument{DNNL_ARG_WEIGHTS, primitive.weights_desc()},
                       .bias = {},
                       .result = Argument{DNNL_ARG_DST, descs.x},
                       .scratchpad = {},
                       .weights = primitive.weights_desc(),
                       .plain = {}};
  if (bias) plan.bias = Argument{DNNL_ARG_BIAS, descs.bias};
  return plan;
}

Operation::Plan plan_of(const Convolution& asked) {
  const ConvolutionDescs descs = descs_of(asked);
  switch (asked.pass) {
    case Pass::Forward:
      return plan_forward(descs, asked.bias);
    case Pass::GradInput:
      return plan_grad_input(descs, asked);
    case Pass::GradWeight:
      return plan_grad_weight(descs, asked);
    default:
      return plan_transposed(descs, asked.bias);
  }
}

/// Contiguous, with the last two dimensions swapped where `transposed`.
Desc matrix(Shape shape, DType dtype, bool transposed) {
  Shape strides = strides_of({shape, {}});
  if (transposed) {
    std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
    std::swap(strides[shape.size() - 1], strides[shape.size() - 2]);
  }
  return {shape, type_of(dtype), strides};
}

/// f(), or nothing where the library has no such primitive.
template <class F>
std::optional<Operation> if_implemented(const F& f) {
  try {
    return f();
  } catch (const dnnl::error& error) {
    if (error.status == dnnl_unimplemented || error.status == dnnl_invalid_arguments) {
      return std::nullopt;
    }
    throw Error(ErrorKind::Internal, {.what = "oneDNN failed",
                                      .at = {},
                                      .why = error.message,
                                      .try_ = "fewer threads or a smaller --batch"});
  }
}

std::optional<Operation> plan_reorder(const Desc& from, const Desc& to) {
  return if_implemented([&]() -> std::optional<Operation> {
    const dnnl::reorder::primitive_desc primitive(engine(), from, engine(), to, attributes());
    return finished({.primitive = primitive,
                     .first = Argument{DNNL_ARG_FROM, from},
                     .second = {},
                     .bias = {},
                     .result = Argument{DNNL_ARG_TO, to},
                     .scratchpad = {},
                     .weights = to,
                     .plain = {}},
                    DType::F32);
  });
}

}  // namespace

std::string version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' +
         std::to_string(version->patch);
}

std::int64_t Operation::scratchpad_bytes() const {
  return static_cast<std::int64_t>(plan_->scratchpad->desc.get_size());
}

std::int64_t Operation::weights_bytes() const {
  return static_cast<std::int64_t>(plan_->weights.get_size());
}

bool Operation::plain_weights() const { return plan_->weights == plan_->plain; }

std::optional<Operation> plan(const Convolution& convolution) {
  return if_implemented([&]() -> std::optional<Operation> {
    const bool gradient_of_weights = convolution.pass == Pass::GradWeight;
    Operation::Plan plan = plan_of(convolution);
    plan.plain = weights_of(convolution,
                            gradient_of_weights ? convolution.result : convolution.operand, false);
    return finished(std::move(plan), convolution.operand);
  });
}

std::optional<Operation> plan(const Product& product) {
  return if_implemented([&]() -> std::optional<Operation> {
    const Desc a = matrix(product.a, product.operand, product.transpose_a);
    const Desc b = matrix(product.b, product.operand, product.transpose_b);
    const Desc result = matrix(product.result_shape, product.result, false);
    Shape columns(product.result_shape.size(), 1);
    columns.back() = product.result_shape.back();
    const Desc bias = product.bias ? matrix(columns, DType::F32, false) : Desc();
    dnnl::primitive_attr attribute = attributes();
    if (product.add) {
      dnnl::post_ops after;
      after.append_sum(1);
      attribute.set_post_ops(after);
    }
    const dnnl::matmul::primitive_desc primitive({a, b, bias, result}, attribute, engine());
    Operation::Plan plan{.primitive = primitive,
                         .first = Argument{DNNL_ARG_SRC, a},
                         .second = Argument{DNNL_ARG_WEIGHTS, b},
                         .bias = {},
                         .result = Argument{DNNL_ARG_DST, result},
                         .scratchpad = {},
                         .weights = b,
                         .plain = b};
    if (product.bias) plan.bias = Argument{DNNL_ARG_BIAS, bias};
    return finished(std::move(plan), product.operand);
  });
}

std::optional<Operation> plan_packing(const Operation& convolution) {
  return plan_reorder(convolution.plan().plain, convolution.plan().weights);
}

std::optional<Operation> plan_unpacking(const Operation& convolution) {
  return plan_reorder(convolution.plan().weights, convolution.plan().plain);
}

std::vector<std::function<void()>> compile(const Operation& operation,
                                           std::span<const Addresses> addresses) {
  struct Bound {
    dnnl::primitive primitive;
    std::vector<dnnl::memory> memories;
    std::vector<dnnl_exec_arg_t> arguments;
  };
  const Operation::Plan& plan = operation.plan();
  const dnnl::primitive primitive(plan.primitive.get());
  std::vector<std::function<void()>> launches;
  for (const Addresses& at : addresses) {
    auto bound = std::make_shared<Bound>(Bound{primitive, {}, {}});
    const auto add = [&](const std::optional<Argument>& argument, const std::byte* address) {
      if (!argument) return;
      bound->memories.emplace_back(argument->desc, engine(), const_cast<std::byte*>(address));
      bound->arguments.push_back({argument->id, bound->memories.back().get()});
    };
    add(plan.first, at.first);
    add(plan.second, at.second);
    add(plan.bias, at.bias);
    add(plan.result, at.result);
    add(plan.scratchpad, at.scratchpad);
    launches.emplace_back([bound, on = stream()] {
      const dnnl_status_t status = dnnl_primitive_execute(bound->primitive.get(), on.get(),
                                                          static_cast<int>(bound->arguments.size()),
                                                          bound->arguments.data());
      require(status == dnnl_success, ErrorKind::Internal, "a oneDNN primitive failed to run");
    });
  }
  return launches;
}

}  // namespace mpsearch::cpu::onednn
