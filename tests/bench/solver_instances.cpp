#include "tests/bench/solver_instances.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "search/solver/check.h"

namespace mpsearch::bench {
namespace {

constexpr int kForms = 3;  // F32, BF16, F8
constexpr const char* kFormNames[kForms] = {"F32", "BF16", "F8E4M3"};

/// What a layer is like, before it has a place in the network.
struct Kind {
  std::int64_t activation = 0;  // elements of its output
  std::int64_t weights = 0;
  std::int64_t workspace = 0;
  double ms = 0;
  double speed_up[kForms] = {1, 1, 1};
  double harm[kForms] = {0, 0, 0};
  int options = 0;
};

class Generator {
 public:
  explicit Generator(const InstanceSpec& spec) : spec_(spec), random_(spec.seed * 1000003 + 17) {
    connect();
    const int layers = spec.layers;
    problem_.events = 3 * layers + 1;
    problem_.objective = spec.seed % 2 == 0 ? Objective::Ms : Objective::Sensitivity;
    consumers_.resize(layers);
    for (int l = 0; l < layers; ++l)
      for (const int input : inputs_[l]) consumers_[input].push_back(l);
    draw_kinds();
    for (int l = 0; l < layers; ++l) add_activation(l);
    for (int l = 0; l < layers; ++l) add_gradient(l);
    problem_.base.assign(problem_.events, 0);
    for (int l = 0; l < layers; ++l)
      for (std::int64_t& bytes : problem_.base) bytes += 12 * kinds_[l].weights;
    for (int l = 0; l < layers; ++l) add_layer(l);
    for (int l = 0; l < layers; ++l) add_pairs(l);
  }

  Problem limited() {
    std::vector<int> widest(problem_.layers.size(), 0);
    std::vector<int> narrowest;
    for (const ProblemLayer& layer : problem_.layers)
      narrowest.push_back(static_cast<int>(layer.options.size()) - 1);
    const Evaluation wide = evaluate(problem_, widest);
    const Evaluation narrow = evaluate(problem_, narrowest);
    const double part = std::uniform_real_distribution<double>(0.05, 0.9)(random_);
    problem_.limits.bytes = narrow.peak + static_cast<std::int64_t>(
                                              part * static_cast<double>(wide.peak - narrow.peak));
    problem_.limits.bytes = std::max(problem_.limits.bytes, narrow.peak);
    if (problem_.objective == Objective::Ms)
      problem_.limits.sensitivity = 0.3 * narrow.sensitivity + 0.7 * wide.sensitivity +
                                    0.2 * (narrow.sensitivity - wide.sensitivity);
    // Recompute would make the least sensitivity cheap where time did not matter.
    if (problem_.objective == Objective::Sensitivity && (spec_.rewrites || spec_.seed % 4 == 3))
      problem_.limits.ms = narrow.ms + part * std::max(0.0, wide.ms - narrow.ms);
    if (problem_.limits.sensitivity && *problem_.limits.sensitivity < narrow.sensitivity)
      problem_.limits.sensitivity = narrow.sensitivity;
    return problem_;
  }

 private:
  void connect() {
    inputs_.resize(spec_.layers);
    for (int l = 1; l < spec_.layers; ++l) inputs_[l].push_back(l - 1);
    switch (spec_.family) {
      case Family::Chain:
        break;
      case Family::Residual:
        for (int l = 3; l < spec_.layers; l += 3) inputs_[l].push_back(l - 3);
        break;
      case Family::Transformer:  // q k v, attention, projection, add, up, down, add
        for (int b = 1; b + 8 < spec_.layers; b += 8) {
          inputs_[b + 1] = {b - 1};
          inputs_[b + 2] = {b - 1};
          inputs_[b] = {b - 1};
          inputs_[b + 3] = {b, b + 1, b + 2};
          inputs_[b + 5] = {b + 4, b - 1};
          inputs_[b + 7] = {b + 6, b + 5};
        }
        break;
      case Family::UNet:
        for (int l = spec_.layers / 2 + 1; l < spec_.layers; ++l)
          if ((spec_.layers - 1 - l) % 3 == 0) inputs_[l].push_back(spec_.layers - 1 - l);
        break;
      case Family::Branches:
        for (int b = 1; b + 6 < spec_.layers; b += 7) {
          inputs_[b + 1] = {b};
          inputs_[b + 2] = {b};
          inputs_[b + 3] = {b};
          inputs_[b + 4] = {b + 2};
          inputs_[b + 5] = {b + 1, b + 3, b + 4};
        }
        break;
    }
    for (std::vector<int>& list : inputs_) {
      std::sort(list.begin(), list.end());
      list.erase(std::unique(list.begin(), list.end()), list.end());
    }
  }

  double uniform(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random_);
  }
  double lognormal(double sigma) { return std::lognormal_distribution<double>(0, sigma)(random_); }

  void draw_kinds() {
    const int block = spec_.family == Family::Transformer ? 8
                      : spec_.family == Family::Branches  ? 7
                                                          : 3;
    for (int l = 0; l < spec_.layers; ++l) {
      if (spec_.repeated && l > block && l + block < spec_.layers) {
        kinds_.push_back(kinds_[l - block < 1 ? l : l - block]);
        continue;
      }
      Kind kind;
      kind.activation = 256 * static_cast<std::int64_t>(1000 * lognormal(0.8));
      kind.weights = 256 * static_cast<std::int64_t>(300 * lognormal(1.0));
      kind.workspace =
          uniform(0, 1) < 0.4 ? 256 * static_cast<std::int64_t>(500 * lognormal(0.8)) : 0;
      kind.ms = 0.3 * lognormal(0.7);
      kind.speed_up[1] = uniform(0.45, 0.9);
      kind.speed_up[2] = kind.speed_up[1] * uniform(0.6, 1.2);
      kind.harm[1] = 1e-5 * lognormal(1.2);
      kind.harm[2] = kind.harm[1] * (5 + 40 * uniform(0, 1));
      kind.options = static_cast<int>(uniform(4, 12.99));
      kinds_.push_back(kind);
    }
  }

  int backward(int l) const { return spec_.layers + 2 * (spec_.layers - 1 - l) + 1; }
  std::int64_t size(int form, std::int64_t elements) const { return elements * (4 >> form); }

  ProblemTensor tensor(const std::string& name, std::int64_t elements) const {
    ProblemTensor out;
    out.name = name;
    for (int f = 0; f < kForms; ++f) out.forms.push_back({kFormNames[f], size(f, elements)});
    return out;
  }

  void add_casts(ProblemTensor& out, std::int64_t elements, int narrow_at, int widen_at) const {
    for (int from = 0; from < kForms; ++from)
      for (int to = 0; to < kForms; ++to)
        if (from != to)
          out.casts.push_back(
              {from, to, to > from ? narrow_at : widen_at,
               static_cast<double>(size(from, elements) + size(to, elements)) * 2e-8});
  }

  void add_activation(int l) {
    ProblemTensor out = tensor("a" + std::to_string(l), kinds_[l].activation);
    const int first = consumers_[l].empty() ? l : consumers_[l].front();
    add_casts(out, kinds_[l].activation, l, first);
    problem_.tensors.push_back(out);
  }

  void add_gradient(int l) {
    gradient_.push_back(-1);
    if (consumers_[l].size() != 1) return;
    gradient_.back() = static_cast<int>(problem_.tensors.size());
    ProblemTensor out = tensor("g" + std::to_string(l), kinds_[l].activation);
    const int written = backward(consumers_[l].front());
    add_casts(out, kinds_[l].activation, written, backward(l));
    problem_.tensors.push_back(out);
  }

  /// Precision p computes and writes in form p; what is saved for backward may be narrower.
  ProblemOption option(int l, int precision, int saved, bool recompute) const {
    const Kind& kind = kinds_[l];
    ProblemOption out;
    out.name = std::string(kFormNames[precision]) + "/" + kFormNames[saved] +
               (recompute ? "/recompute" : "");
    out.ms = kind.ms * kind.speed_up[precision] * (recompute ? 4.0 / 3 : 1);
    out.sensitivity = kind.harm[precision] + (saved > precision ? 0.3 * kind.harm[saved] : 0);
    if (precision > 0) out.bytes.push_back({0, problem_.events - 1, size(precision, kind.weights)});
    out.bytes.push_back({backward(l), problem_.events - 1, size(precision, kind.weights)});
    if (kind.workspace > 0) {
      out.bytes.push_back({l, l, kind.workspace >> precision});
      out.bytes.push_back({backward(l), backward(l), 2 * (kind.workspace >> precision)});
    }
    const int written = precision == 2 ? 1 : precision;
    TensorAccess write{l, written, {l}};
    const int slot = consumers_[l].empty() ? -1 : backward(consumers_[l].back()) - 1;
    if (recompute && slot > l) write.events.push_back(slot);
    out.writes.push_back(write);
    for (const int input : inputs_[l]) {
      TensorAccess forward{input, precision, {l}};
      if (recompute && slot > l) forward.events.push_back(slot);
      out.reads.push_back(forward);
      out.reads.push_back({input, saved, {backward(l)}});
      if (gradient_[input] >= 0) out.writes.push_back({gradient_[input], written, {backward(l)}});
    }
    if (gradient_[l] >= 0)
      out.reads.push_back({gradient_[l], precision, {backward(l)}});
    else
      out.bytes.push_back({consumers_[l].empty() ? backward(l) : backward(consumers_[l].back()),
                           backward(l), size(written, kind.activation)});
    return out;
  }

  void add_layer(int l) {
    ProblemLayer layer;
    layer.name = "layer" + std::to_string(l);
    struct Choice {
      int precision, saved;
      bool recompute;
    };
    std::vector<Choice> choices = {{0, 0, false}, {1, 1, false}, {0, 1, false}, {1, 2, false}};
    if (spec_.rewrites) {
      choices.push_back({0, 0, true});
      choices.push_back({1, 1, true});
    }
    choices.push_back({0, 2, false});
    const int wanted = std::max(kinds_[l].options, spec_.rewrites ? 6 : 4) - 1;
    if (static_cast<int>(choices.size()) > wanted) choices.resize(wanted);
    choices.push_back({2, 2, false});
    for (const Choice& c : choices)
      layer.options.push_back(option(l, c.precision, c.saved, c.recompute));
    // Other algorithms of the same formats: faster with more workspace.
    for (int i = 0; static_cast<int>(layer.options.size()) < kinds_[l].options; ++i) {
      ProblemOption other = layer.options[i % static_cast<int>(choices.size())];
      other.name += "/alt" + std::to_string(i);
      other.ms *= 0.9;
      other.bytes.push_back({l, l, kinds_[l].activation});
      other.bytes.push_back({backward(l), backward(l), kinds_[l].activation});
      layer.options.insert(layer.options.end() - 1, other);
    }
    problem_.layers.push_back(layer);
  }

  static int written_form(const ProblemOption& option) { return option.writes.front().form; }

  /// Where several consumers add up a gradient, one of another form casts it into the buffer.
  void add_pairs(int l) {
    if (consumers_[l].size() < 2) return;
    for (const int consumer : consumers_[l]) {
      ProblemPair pair{l, consumer, {}};
      const auto& mine = problem_.layers[l].options;
      const auto& theirs = problem_.layers[consumer].options;
      for (std::size_t a = 0; a < mine.size(); ++a)
        for (std::size_t b = 0; b < theirs.size(); ++b) {
          const int form = written_form(theirs[b]);
          if (form == written_form(mine[a])) continue;
          const std::int64_t bytes = size(form, kinds_[l].activation);
          pair.terms.push_back({static_cast<int>(a),
                                static_cast<int>(b),
                                static_cast<double>(bytes) * 3e-8,
                                0,
                                {{backward(consumer), backward(consumer), bytes}}});
        }
      problem_.pairs.push_back(pair);
    }
  }

  InstanceSpec spec_;
  std::mt19937_64 random_;
  Problem problem_;
  std::vector<std::vector<int>> inputs_;
  std::vector<std::vector<int>> consumers_;
  std::vector<Kind> kinds_;
  std::vector<int> gradient_;  // tensor of each layer's gradient, -1: a buffer of its own
};

}  // namespace

const char* name_of(Family family) {
  constexpr const char* kNames[] = {"chain", "residual", "transformer", "unet", "branches"};
  return kNames[static_cast<int>(family)];
}

Problem draw_instance(const InstanceSpec& spec) { return Generator(spec).limited(); }

}  // namespace mpsearch::bench
