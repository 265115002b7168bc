#include "tests/bench/solver_instances_ops.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "search/solver/check.h"

namespace mpsearch::bench {
namespace {

/// SplitMix64: the same numbers from every standard library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed)
      : state_(seed * 0x9e3779b97f4a7c15ULL + 0x243f6a8885a308d3ULL) {}
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  double between(double low, double high) { return low + (high - low) * unit(); }
  int below(int count) { return static_cast<int>(next() % static_cast<std::uint64_t>(count)); }
  bool chance(double p) { return unit() < p; }
  /// Heavy-tailed, at least 1.
  double pareto(double shape) { return std::pow(1 - unit(), -1 / shape); }

 private:
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

enum Form { kWide, kHalf, kBlocked, kByte, kForms };
constexpr const char* kNames[kForms] = {"F32", "BF16", "BF16:blocked", "F8E5M2"};
constexpr int kWidth[kForms] = {4, 2, 2, 1};

struct Op {
  std::vector<int> inputs;
  std::int64_t map = 0;      // elements of its output
  std::int64_t weights = 0;  // 0: element-wise
  double ms = 0;
  double gain[kForms] = {1, 1, 1, 1};
  double harm = 0;
  double scratch = 0;  // workspace, in parts of the output's F32 bytes
  int shape = 0;       // ops of one shape are alike
  int options = 4;
  int tied = -1;  // the op whose weights it shares
};

class Network {
 public:
  explicit Network(const InstanceSpec& spec) : spec_(spec), dice_(spec.seed * 7919 + spec.layers) {
    while (static_cast<int>(ops_.size()) < spec.layers) add_module();
    ops_.resize(spec.layers);
    for (int l = 0; l < spec.layers; ++l)
      for (int& input : ops_[l].inputs) input = std::min(input, l - 1);
  }
  std::vector<Op>& ops() { return ops_; }
  Dice& dice() { return dice_; }

 private:
  int last() const { return static_cast<int>(ops_.size()) - 1; }

  Op draw(bool weighted) {
    const double depth = static_cast<double>(ops_.size()) / spec_.layers;
    const double stage = spec_.repeated ? 1 : std::floor(4 * depth);
    Op op;
    op.map = static_cast<std::int64_t>(1 + 4095 * std::pow(0.5, stage) * dice_.between(0.2, 1))
             << 8;
    if (weighted)
      op.weights = static_cast<std::int64_t>(64 * std::pow(2.5, stage) * dice_.pareto(1.5)) << 8;
    op.ms = 1e-7 * static_cast<double>(op.map) * (weighted ? dice_.between(2, 9) : 0.3);
    op.gain[kHalf] = dice_.between(0.5, 1.05);
    op.gain[kBlocked] = op.gain[kHalf] * dice_.between(0.75, 1);
    op.gain[kByte] = op.gain[kHalf] * dice_.between(0.7, 1.3);
    op.harm = 1e-6 * dice_.pareto(0.9);
    op.scratch = weighted && dice_.chance(0.5) ? dice_.between(0.1, 1.5) : 0;
    op.options = 4 + dice_.below(9);
    return op;
  }

  /// One module of ops that feed each other; with repeated blocks one of three that were drawn.
  void add_module() {
    const int favourite = static_cast<int>(spec_.family);
    const int module = dice_.chance(0.7) ? favourite : dice_.below(5);
    const int entry = last();
    const auto add = [&](std::vector<int> inputs, bool weighted) {
      inputs.erase(std::remove_if(inputs.begin(), inputs.end(), [](int i) { return i < 0; }),
                   inputs.end());
      std::sort(inputs.begin(), inputs.end());
      inputs.erase(std::unique(inputs.begin(), inputs.end()), inputs.end());
      Op op = spec_.repeated ? alike(module, place_, weighted) : draw(weighted);
      op.inputs = std::move(inputs);
      ++place_;
      ops_.push_back(std::move(op));
      return last();
    };
    place_ = 0;
    switch (module) {
      case 0:  // convolution, activation
        add({entry}, true);
        add({last()}, false);
        break;
      case 1: {  // residual block
        add({entry}, true);
        add({last()}, false);
        add({last()}, true);
        add({last(), entry}, false);
        break;
      }
      case 2: {  // attention
        const int q = add({entry}, true);
        const int k = add({entry}, true);
        const int v = add({entry}, true);
        const int scores = add({q, k}, false);
        add({scores, v}, true);
        add({last(), entry}, false);
        break;
      }
      case 3: {  // a skip to the mirrored place
        add({entry}, true);
        const int mirrored = spec_.layers - 1 - last();
        add({last(), mirrored < entry && mirrored > 0 ? mirrored : entry}, true);
        break;
      }
      default: {  // three branches of unequal length
        const int a = add({entry}, true);
        const int b = add({entry}, true);
        const int c = add({b}, true);
        const int d = add({entry}, false);
        add({a, c, d}, false);
        break;
      }
    }
    if (dice_.chance(0.03) && last() > 4 && ops_.back().weights > 0)
      for (int l = 0; l < last(); ++l)
        if (ops_[l].weights > 0) {
          ops_.back().tied = l;
          ops_.back().weights = ops_[l].weights;
          break;
        }
  }

  Op alike(int module, int place, bool weighted) {
    const std::size_t at = static_cast<std::size_t>(module) * 8 + place;
    if (moulds_.size() <= at) moulds_.resize(at + 1);
    if (moulds_[at].map == 0) moulds_[at] = draw(weighted);
    return moulds_[at];
  }

  InstanceSpec spec_;
  Dice dice_;
  std::vector<Op> ops_;
  std::vector<Op> moulds_;
  int place_ = 0;
};

/// Events: forward, then for each op from the last on its weight and its input gradient, then one
/// update for each op.
class Writer {
 public:
  explicit Writer(const InstanceSpec& spec) : spec_(spec), net_(spec), ops_(net_.ops()) {
    const int count = spec.layers;
    problem_.events = 4 * count;
    problem_.objective = spec.seed % 3 == 0 ? Objective::Ms : Objective::Sensitivity;
    problem_.base.assign(problem_.events, 1 << 16);
    uses_.resize(count);
    for (int l = 0; l < count; ++l)
      for (const int input : ops_[l].inputs) uses_[input].push_back(l);
    add_tensors();
    for (int l = 0; l < count; ++l) add_layer(l);
    limit();
  }
  Problem take() { return std::move(problem_); }

 private:
  int weight_gradient(int l) const { return spec_.layers + 2 * (spec_.layers - 1 - l); }
  int input_gradient(int l) const { return weight_gradient(l) + 1; }
  int update(int l) const { return 3 * spec_.layers + l; }
  static std::int64_t bytes(int form, std::int64_t elements) { return elements * kWidth[form]; }

  int add_tensor(const std::string& name, std::int64_t elements, int narrow_at, int widen_at) {
    ProblemTensor tensor;
    tensor.name = name;
    for (int f = 0; f < kForms; ++f) tensor.forms.push_back({kNames[f], bytes(f, elements)});
    for (int from = 0; from < kForms; ++from)
      for (int to = 0; to < kForms; ++to) {
        if (from == to || (from == kByte && to == kBlocked)) continue;
        const bool narrows = kWidth[to] < kWidth[from];
        tensor.casts.push_back(
            {from, to, narrows ? narrow_at : widen_at,
             1e-8 * static_cast<double>(bytes(from, elements) + bytes(to, elements))});
      }
    problem_.tensors.push_back(tensor);
    return static_cast<int>(problem_.tensors.size()) - 1;
  }

  void add_tensors() {
    const int data = add_tensor("data", 1 << 18, 0, 0);
    problem_.tensors[data].written = GivenWrite{kWide, 0};
    for (int l = 0; l < spec_.layers; ++l) {
      const int first_use = uses_[l].empty() ? l : uses_[l].front();
      map_.push_back(add_tensor("map" + std::to_string(l), ops_[l].map, l, first_use));
    }
    for (int l = 0; l < spec_.layers; ++l) {
      gradient_.push_back(-1);
      if (uses_[l].size() != 1) continue;
      gradient_.back() = add_tensor("grad" + std::to_string(l), ops_[l].map,
                                    input_gradient(uses_[l].front()), weight_gradient(l));
    }
    for (int l = 0; l < spec_.layers; ++l) {
      copy_.push_back(-1);
      if (ops_[l].tied < 0) continue;
      int& shared = copy_[ops_[l].tied];
      if (shared < 0) {
        shared = add_tensor("weights" + std::to_string(ops_[l].tied), ops_[l].weights, 0, 0);
        problem_.tensors[shared].written = GivenWrite{kWide, 0};
      }
      copy_[l] = shared;
    }
  }

  struct Way {
    int compute;
    int saved;
    bool quick;
    bool again;
  };

  ProblemOption option(int l, const Way& way) const {
    const Op& op = ops_[l];
    const std::int64_t scratch =
        static_cast<std::int64_t>(op.scratch * (way.quick ? 2 : 1) * static_cast<double>(op.map)) *
        kWidth[way.compute];
    ProblemOption out;
    out.name = std::string(kNames[way.compute]) + (way.quick ? "+quick" : "") +
               (way.saved == way.compute ? "" : std::string("+save ") + kNames[way.saved]) +
               (way.again ? "+again" : "");
    out.ms = 3 * op.ms * op.gain[way.compute] * (way.quick ? 0.8 : 1) + (way.again ? op.ms : 0);
    constexpr double kHarm[kForms] = {0, 1, 1, 25};
    out.sensitivity =
        op.harm * (kHarm[way.compute] + 0.2 * std::max(0.0, kHarm[way.saved] - kHarm[way.compute]));
    if (scratch > 0) {
      out.bytes.push_back({l, l, scratch});
      out.bytes.push_back({weight_gradient(l), weight_gradient(l), scratch});
    }
    if (op.weights > 0) {
      out.bytes.push_back({weight_gradient(l), update(l), bytes(way.compute, op.weights)});
      if (copy_[l] >= 0)
        out.reads.push_back({copy_[l], way.compute, {l, input_gradient(l)}});
      else if (way.compute != kWide)
        out.bytes.push_back({0, update(l), bytes(way.compute, op.weights)});
    }
    const int written = way.compute == kByte ? kHalf : way.compute;
    TensorAccess write{map_[l], written, {l}};
    const int slot = uses_[l].empty() ? -1 : weight_gradient(uses_[l].back()) - 1;
    const bool again = way.again && slot > l;
    if (again) write.events.push_back(slot);
    out.writes.push_back(write);
    const std::vector<int> inputs = ops_[l].inputs.empty() ? std::vector<int>{-1} : ops_[l].inputs;
    for (const int input : inputs) {
      const int tensor = input < 0 ? 0 : map_[input];
      TensorAccess forward{tensor, way.compute, {l}};
      if (again) forward.events.push_back(slot);
      out.reads.push_back(forward);
      out.reads.push_back({tensor, way.saved, {weight_gradient(l)}});
      if (input >= 0 && gradient_[input] >= 0)
        out.writes.push_back({gradient_[input], written, {input_gradient(l)}});
    }
    if (gradient_[l] >= 0)
      out.reads.push_back({gradient_[l], way.compute, {weight_gradient(l), input_gradient(l)}});
    else
      out.bytes.push_back({uses_[l].empty() ? weight_gradient(l) : input_gradient(uses_[l].back()),
                           input_gradient(l), bytes(written, op.map)});
    return out;
  }

  void add_layer(int l) {
    std::vector<Way> ways = {{kWide, kWide, false, false},   {kHalf, kHalf, false, false},
                             {kByte, kByte, false, false},   {kBlocked, kBlocked, false, false},
                             {kWide, kHalf, false, false},   {kHalf, kByte, false, false},
                             {kHalf, kHalf, true, false},    {kBlocked, kBlocked, true, false},
                             {kWide, kByte, false, false},   {kWide, kWide, true, false},
                             {kBlocked, kByte, true, false}, {kByte, kByte, true, false}};
    ways.resize(ops_[l].options);
    if (spec_.rewrites && ops_[l].weights == 0) {
      ways.push_back({kHalf, kHalf, false, true});
      ways.push_back({kWide, kWide, false, true});
    }
    ProblemLayer layer;
    layer.name = "op" + std::to_string(l);
    for (const Way& way : ways) layer.options.push_back(option(l, way));
    problem_.layers.push_back(layer);
  }

  /// Between what all-narrow and all-wide choices need.
  void limit() {
    const std::vector<int> wide(ops_.size(), 0);
    const std::vector<int> narrow(ops_.size(), 2);
    const Evaluation most = evaluate(problem_, wide);
    const Evaluation least = evaluate(problem_, narrow);
    constexpr double kParts[] = {0.03, 0.12, 0.3, 0.55, 0.85};
    const double part = kParts[spec_.seed % 5] + net_.dice().between(0, 0.03);
    const auto low = static_cast<double>(std::min(least.peak, most.peak));
    const auto high = static_cast<double>(std::max(least.peak, most.peak));
    problem_.limits.bytes = static_cast<std::int64_t>(low + part * (high - low));
    const double strict = net_.dice().between(0.15, 0.8);
    if (problem_.objective == Objective::Ms)
      problem_.limits.sensitivity = least.sensitivity * strict;
    else if (spec_.seed % 3 == 1 || spec_.rewrites)
      problem_.limits.ms = least.ms + strict * std::max(0.0, most.ms - least.ms);
  }

  InstanceSpec spec_;
  Network net_;
  std::vector<Op>& ops_;
  Problem problem_;
  std::vector<std::vector<int>> uses_;
  std::vector<int> map_, gradient_, copy_;
};

}  // namespace

Problem draw_ops_instance(const InstanceSpec& spec) { return Writer(spec).take(); }

}  // namespace mpsearch::bench
