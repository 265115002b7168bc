#include <cmath>
#include <limits>

#include "kernels/error.h"
#include "models/zoo/networks.h"
#include "models/zoo/weights.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;
constexpr int kOpset = 20;  // the first with Gelu

/// Vaswani et al. 2017 with the norms before each part (Xiong et al. 2020) and GELU.
class Transformer {
 public:
  Transformer(const std::string& name, const ZooSizes& sizes, bool causal)
      : net(name, static_cast<std::uint64_t>(sizes.at("seed")), kOpset),
        length(sizes.whole("length")),
        dim(sizes.whole("dim")),
        vocabulary(sizes.whole("vocabulary")),
        heads_(sizes.whole("heads")),
        hidden_(sizes.whole("hidden")) {
    if (dim % heads_ != 0) throw Error(ErrorKind::Usage, "'dim' must be a multiple of 'heads'");
    OnnxBuilder& builder = net.builder;
    builder.input("tokens", {"N", length}, DType::I64);
    const float scale = 1 / std::sqrt(static_cast<float>(dim / heads_));
    scale_ = builder.initializer("attention.scale", {}, std::vector<float>{scale});
    builder.initializer("split", std::vector<Int>{0, length, heads_, dim / heads_});
    builder.initializer("merge", std::vector<Int>{0, length, dim});
    if (causal) mask_ = causal_mask();
  }

  /// The encoded tokens: [N, length, dim].
  std::string encoded(Int layers) {
    const std::string words = net.builder.node(
        "embedding", "Gather", {net.table("embedding.weight", vocabulary, dim), "tokens"},
        {{"axis", Int{0}}});
    std::string x =
        net.builder.node("position", "Add", {words, net.table("position.weight", length, dim)});
    for (Int i = 0; i < layers; ++i) x = layer("layer" + std::to_string(i) + ".", x);
    return net.layer_norm("norm", x, dim);
  }

  ZooWriter net;
  const Int length, dim, vocabulary;

 private:
  std::string causal_mask() {
    std::vector<float> mask(static_cast<std::size_t>(length * length), 0);
    for (Int row = 0; row < length; ++row) {
      for (Int column = row + 1; column < length; ++column) {
        mask[static_cast<std::size_t>(row * length + column)] =
            -std::numeric_limits<float>::infinity();
      }
    }
    return net.builder.initializer("attention.mask", {length, length}, mask);
  }

  /// [N, length, dim] to [N, heads, length, dim / heads], or its transpose for keys.
  std::string split(const std::string& name, const std::string& x, bool transposed) {
    const std::string parts = net.builder.node(name + ".split", "Reshape", {x, "split"});
    const std::vector<Int> perm =
        transposed ? std::vector<Int>{0, 2, 3, 1} : std::vector<Int>{0, 2, 1, 3};
    return net.builder.node(name + ".heads", "Transpose", {parts}, {{"perm", perm}});
  }

  std::string attention(const std::string& prefix, const std::string& x) {
    OnnxBuilder& builder = net.builder;
    const auto projected = [&](const std::string& part, bool transposed) {
      return split(prefix + part, net.projection(prefix + part, x, dim, dim), transposed);
    };
    const std::string query = projected("query", false);
    const std::string key = projected("key", true);
    const std::string value = projected("value", false);
    std::string scores = builder.node(prefix + "scores", "MatMul", {query, key});
    scores = builder.node(prefix + "scaled", "Mul", {scores, scale_});
    if (!mask_.empty()) scores = builder.node(prefix + "masked", "Add", {scores, mask_});
    const std::string weights =
        builder.node(prefix + "softmax", "Softmax", {scores}, {{"axis", Int{-1}}});
    std::string y = builder.node(prefix + "mixed", "MatMul", {weights, value});
    y = builder.node(prefix + "rows", "Transpose", {y}, {{"perm", std::vector<Int>{0, 2, 1, 3}}});
    y = builder.node(prefix + "merged", "Reshape", {y, "merge"});
    return net.projection(prefix + "output", y, dim, dim);
  }

  std::string layer(const std::string& prefix, const std::string& x) {
    OnnxBuilder& builder = net.builder;
    const std::string attended =
        attention(prefix + "attention.", net.layer_norm(prefix + "norm1", x, dim));
    const std::string middle = builder.node(prefix + "add1", "Add", {x, attended});
    std::string y =
        net.projection(prefix + "fc1", net.layer_norm(prefix + "norm2", middle, dim), dim, hidden_);
    y = builder.node(prefix + "gelu", "Gelu", {y});
    y = net.projection(prefix + "fc2", y, hidden_, dim);
    return builder.node(prefix + "add2", "Add", {middle, y});
  }

  const Int heads_, hidden_;
  std::string scale_;
  std::string mask_;
};

}  // namespace

OnnxBuilder build_transformer(const ZooSizes& sizes) {
  Transformer model("transformer", sizes, false);
  const Int classes = sizes.whole("classes");
  const std::string x = model.encoded(sizes.whole("layers"));
  model.net.builder.initializer("tokens_axis", std::vector<Int>{1});
  const std::string mean =
      model.net.builder.node("mean", "ReduceMean", {x, "tokens_axis"}, {{"keepdims", Int{0}}});
  model.net.builder.output(model.net.linear("classifier", mean, model.dim, classes, false),
                           {"N", classes});
  return std::move(model.net.builder);
}

OnnxBuilder build_transformer_lm(const ZooSizes& sizes) {
  Transformer model("transformer-lm", sizes, true);
  const std::string x = model.encoded(sizes.whole("layers"));
  model.net.builder.output(model.net.projection("head", x, model.dim, model.vocabulary),
                           {"N", model.length, model.vocabulary});
  return std::move(model.net.builder);
}

}  // namespace mpsearch
