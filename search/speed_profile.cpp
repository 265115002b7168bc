#include "search/speed_profile.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <set>

#include "kernels/error.h"
#include "models/lower.h"
#include "models/op.h"
#include "runtime/prepared.h"
#include "runtime/session.h"

namespace mpsearch {
namespace {

constexpr int kWarmups = 2;
constexpr int kRepeatsShort = 10;  // below one millisecond
constexpr int kRepeatsLong = 5;
constexpr int kRepeatsMost = 30;
constexpr double kSpreadWanted = 0.03;
constexpr int kRounds = 7;      // of the candidates of a call, one after the other
constexpr double kTie = 0.03;   // candidates closer than this are equal: the first one is kept
constexpr double kWorth = 0.2;  // by which more workspace must be faster

double quantile(std::vector<double>& sorted, double part) {
  return sorted[static_cast<std::size_t>(
      std::lround(part * static_cast<double>(sorted.size() - 1)))];
}

Timing summary(std::vector<double> runs) {
  std::ranges::sort(runs);
  Timing timing;
  timing.ms = quantile(runs, 0.5);
  timing.repeats = static_cast<int>(runs.size());
  if (timing.ms > 0) {
    timing.spread = (quantile(runs, 0.75) - quantile(runs, 0.25)) / 2 / timing.ms;
  }
  return timing;
}

/// Times `once` (which returns milliseconds) by the rule of search.md, section 2.
template <class Once>
Timing repeat(const Once& once) {
  std::vector<double> runs;
  for (int i = 0; i < kWarmups; ++i) once();
  const int least = once() < 1 ? kRepeatsShort : kRepeatsLong;
  for (int i = 0; i < least; ++i) runs.push_back(once());
  while (summary(runs).spread > kSpreadWanted && static_cast<int>(runs.size()) < kRepeatsMost) {
    runs.push_back(once());
  }
  return summary(std::move(runs));
}

/// A call bound to memory of its own, by each of the given choices. Every byte is 0x3C: a harmless
/// number in all float formats.
class AloneCall {
 public:
  AloneCall(const KernelCall& call, std::span<const KernelChoice> choices, const Backend& backend)
      : backend_(backend) {
    std::int64_t workspace = 0;
    for (const KernelChoice& choice : choices)
      workspace = std::max(workspace, choice.workspace_bytes);
    std::int64_t bytes = aligned(workspace) + kArenaAlignment;
    for (const TensorType& type : call.inputs) bytes += room_for(type);
    for (const TensorType& type : call.outputs) bytes += room_for(type);
    memory_ = backend.allocate(bytes);
    const Bytes content(static_cast<std::size_t>(bytes), std::byte{0x3C});
    backend.copy_to_device(memory_.get(), content.data(), bytes);
    KernelViews views;
    for (const TensorType& type : call.inputs) views.inputs.push_back(take(type));
    for (const TensorType& type : call.outputs) views.outputs.push_back(take(type));
    views.workspace = memory_.get() + used_;
    for (const KernelChoice& choice : choices)
      steps_.push_back({backend.bind(call, choice, views)});
  }

  /// Of the first choice.
  Timing measure() const {
    return repeat([&] { return once(0); });
  }

  /// The shortest time of each choice, which other work on the machine disturbs least. They take
  /// turns, so that what does disturb them disturbs all.
  std::vector<double> shortest_ms() const {
    std::vector<double> least(steps_.size(), std::numeric_limits<double>::infinity());
    for (int round = 0; round < kWarmups + kRounds; ++round) {
      for (std::size_t i = 0; i < steps_.size(); ++i) {
        const double ms = once(i);
        if (round >= kWarmups) least[i] = std::min(least[i], ms);
      }
    }
    return least;
  }

 private:
  double once(std::size_t choice) const { return backend_.run_timed(steps_[choice])[0]; }

  static std::int64_t room_for(const TensorType& type) {
    return aligned(type.bytes()) + kArenaAlignment;
  }

  TensorView take(const TensorType& type) {
    TensorView view;
    view.data = memory_.get() + used_;
    view.type = type;
    used_ += aligned(type.bytes());
    if (is_fp8(type.form.dtype)) view.scale = reinterpret_cast<float*>(memory_.get() + used_);
    used_ += kArenaAlignment;
    return view;
  }

  const Backend& backend_;
  std::shared_ptr<std::byte> memory_;
  std::int64_t used_ = 0;
  std::vector<std::vector<BoundKernel>> steps_;  // by choice
};

KernelChoice measured_choice(const KernelCall& call, const std::vector<KernelChoice>& candidates,
                             const Backend& backend) {
  return candidates[better_kernel(candidates, AloneCall(call, candidates, backend).shortest_ms())];
}

class Profiler {
 public:
  Profiler(const Backend& backend, SpeedProfile known, const ProfileProgress& progress)
      : backend_(backend), profile_(std::move(known)), progress_(progress) {}

  /// Answers lowering's question and remembers the answer.
  KernelChoice choose(const KernelCall& call) {
    const std::string key = key_of(call);
    const auto found = profile_.kernels.find(key);
    if (found != profile_.kernels.end()) return found->second;
    const std::vector<KernelChoice> candidates = backend_.candidates(call);
    KernelChoice choice = candidates.size() > 1 ? measured_choice(call, candidates, backend_)
                                                : choose_kernel(backend_, {}, call);
    profile_.kernels.emplace(key, choice);
    return choice;
  }

  /// Times every node of the model's step under one precision a layer.
  void time_plan(const Model& model, const TrainingOptions& options,
                 std::span<const Precision> precision) {
    Prepared prepared =
        prepare(model, options, precision, [this](const KernelCall& call) { return choose(call); });
    const Graph& graph = prepared.training.lowered.graph;
    if (all_known(graph)) return;
    Session session(std::move(prepared), backend_);
    time_session(session);
  }

  void time_alone(const KernelCall& call) {
    const std::string key = key_of(call);
    if (profile_.timings.contains(key)) return;
    const KernelChoice choice = choose(call);
    profile_.timings[key] = AloneCall(call, {&choice, 1}, backend_).measure();
  }

  void tell(int done, int total, const std::string& what) const {
    if (progress_) progress_(done, total, what);
  }

  SpeedProfile take() { return std::move(profile_); }

 private:
  bool all_known(const Graph& graph) const {
    return std::ranges::all_of(graph.nodes, [&](const Node& node) {
      return node.op->view || profile_.timings.contains(key_of(call_of(graph, node)));
    });
  }

  static void stage_numbers(Session& session) {
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < session.prepared().training.step.data.size(); ++i) {
      const std::span<std::byte> bytes = session.input(i);
      if (session.input_type(i).form.dtype != DType::F32) continue;  // zeros are in every range
      for (std::size_t at = 0; at + sizeof(float) <= bytes.size(); at += sizeof(float)) {
        state = state * 1664525U + 1013904223U;
        const float value = static_cast<float>(state >> 8) / 8388608.0F - 1.0F;
        std::memcpy(bytes.data() + at, &value, sizeof value);
      }
    }
  }

  void time_session(Session& session) {
    stage_numbers(session);
    const StepInputs inputs{};  // learning rate 0: the parameters stay
    const std::size_t count = session.training().steps.size();
    std::vector<std::vector<double>> runs(count);
    std::vector<double> ms;
    for (int i = 0; i < kWarmups; ++i) session.step_timed(inputs, ms);
    const bool quick = std::accumulate(ms.begin(), ms.end(), 0.0) < 20;
    const int repeats = quick ? kRepeatsMost : kRepeatsLong;
    for (int i = 0; i < repeats; ++i) {
      session.step_timed(inputs, ms);
      for (std::size_t step = 0; step < count; ++step) runs[step].push_back(ms[step]);
    }
    // Nodes of equal key share one timing, their mean, so that a plan's sum stays what was
    // measured.
    const Graph& graph = session.prepared().training.lowered.graph;
    std::map<std::string, std::vector<Timing>> found;
    for (std::size_t step = 0; step < count; ++step) {
      const Node& node = graph.node(session.training().nodes[step]);
      found[key_of(call_of(graph, node))].push_back(summary(std::move(runs[step])));
    }
    for (const auto& [key, timings] : found) {
      if (profile_.timings.contains(key)) continue;
      Timing mean;
      for (const Timing& timing : timings) {
        mean.ms += timing.ms / static_cast<double>(timings.size());
        mean.spread += timing.spread / static_cast<double>(timings.size());
        mean.repeats += timing.repeats;
      }
      profile_.timings[key] = mean;
    }
  }

  const Backend& backend_;
  SpeedProfile profile_;
  const ProfileProgress& progress_;
};

}  // namespace

std::size_t better_kernel(std::span<const KernelChoice> candidates, std::span<const double> ms) {
  std::vector<std::size_t> order(candidates.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return candidates[i].workspace_bytes; });
  std::size_t best = order[0];
  for (const std::size_t i : order) {
    const bool larger = candidates[i].workspace_bytes > candidates[best].workspace_bytes;
    if (ms[i] < ms[best] * (1 - (larger ? kWorth : kTie))) best = i;
  }
  return best;
}

SpeedProfile profile_speed(const Model& model, const TrainingOptions& options,
                           std::span<const std::vector<Precision>> uniform_plans,
                           const Backend& backend, SpeedProfile known,
                           const ProfileProgress& progress) {
  Profiler profiler(backend, std::move(known), progress);
  const int total = static_cast<int>(uniform_plans.size()) + 1;
  int done = 0;
  for (const std::vector<Precision>& precision : uniform_plans) {
    profiler.tell(done, total, "training step " + std::to_string(done + 1));
    profiler.time_plan(model, options, precision);
    ++done;
  }
  profiler.tell(done, total, "casts");
  const StepGraph step = training_graph(model, options);
  for (const KernelCall& call : cast_calls(step.graph, assign_layouts(step.graph))) {
    profiler.time_alone(call);
  }
  profiler.tell(total, total, "casts");
  return profiler.take();
}

void pick_kernels(std::span<const KernelCall> calls, const Backend& backend, RecordedKernels& known,
                  RecordedKernels& timed, const ProfileProgress& progress) {
  int done = 0;
  for (const KernelCall& call : calls) {
    if (progress) progress(done, static_cast<int>(calls.size()), "kernels");
    ++done;
    const std::string key = key_of(call);
    if (known.contains(key)) continue;
    const std::vector<KernelChoice> candidates = backend.candidates(call);
    const bool alike = std::ranges::all_of(candidates, [&](const KernelChoice& choice) {
      return choice.workspace_bytes == candidates[0].workspace_bytes;
    });
    if (candidates.empty() || alike) {
      known[key] = choose_kernel(backend, {}, call);
    } else {
      known[key] = timed[key] = measured_choice(call, candidates, backend);
    }
  }
}

bool is_profiled(const Model& model, const TrainingOptions& options,
                 std::span<const std::vector<Precision>> uniform_plans, const Backend& backend,
                 const SpeedProfile& known) {
  bool complete = true;
  const auto choose = [&](const KernelCall& call) {
    complete = complete && known.kernels.contains(key_of(call));
    return choose_kernel(backend, known.kernels, call);
  };
  for (const std::vector<Precision>& precision : uniform_plans) {
    const Prepared prepared = prepare(model, options, precision, choose);
    const Graph& graph = prepared.training.lowered.graph;
    for (const Node& node : graph.nodes) {
      complete =
          complete && (node.op->view || known.timings.contains(key_of(call_of(graph, node))));
    }
    if (!complete) return false;
  }
  const StepGraph step = training_graph(model, options);
  return std::ranges::all_of(
      cast_calls(step.graph, assign_layouts(step.graph)),
      [&](const KernelCall& call) { return known.timings.contains(key_of(call)); });
}

double predicted_ms(const Graph& lowered, const SpeedProfile& profile, std::int64_t micro_batches) {
  double ms = 0;
  for (const Node& node : lowered.nodes) {
    if (node.op->view) continue;
    const std::string key = key_of(call_of(lowered, node));
    const auto found = profile.timings.find(key);
    require(found != profile.timings.end(), ErrorKind::Internal, "no timing of " + key);
    ms += runs_in_step(node.phase, micro_batches) * found->second.ms;
  }
  return ms;
}

}  // namespace mpsearch
