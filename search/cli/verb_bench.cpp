#include <algorithm>
#include <chrono>
#include <cstdint>
#include <numeric>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "runtime/trainer.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/progress.h"
#include "search/cli/run_setup.h"
#include "search/cli/signals.h"
#include "search/cli/size.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

constexpr std::int64_t kWarmUp = 3;
constexpr std::int64_t kDefaultSteps = 20;

struct LayerTimes {
  double forward = 0;
  double backward = 0;
  double update = 0;
  double sum() const { return forward + backward + update; }
};

struct Measured {
  std::vector<double> step_ms;  // wall time of each step, sorted
  double loss = 0;
  std::vector<LayerTimes> layers;  // medians, by layer of the lowered graph
  LayerTimes rest;                 // nodes of no layer
  double kernels_ms = 0;           // median over the instrumented steps of the sum of all kernels

  double median() const { return step_ms[step_ms.size() / 2]; }
  double spread() const {
    const std::size_t n = step_ms.size();
    return (step_ms[n * 3 / 4] - step_ms[n / 4]) / 2 / median();
  }
};

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

/// Steps with timestamps around each kernel: other steps than those whose wall time counts, which
/// the clock would disturb, but in turn with them, so that both see the same machine.
class KernelTimes {
 public:
  explicit KernelTimes(const Session& session)
      : graph_(session.prepared().training.lowered.graph),
        executable_(session.training()),
        ms_(executable_.nodes.size()) {}

  void measure(Session& session, const StepInputs& inputs) {
    std::vector<double> times;
    session.step_timed(inputs, times);
    for (std::size_t k = 0; k < times.size(); ++k) {
      times[k] *= runs_in_step(graph_.node(executable_.nodes[k]).phase, session.micro_batches());
      ms_[k].push_back(times[k]);
    }
    sums_.push_back(std::accumulate(times.begin(), times.end(), 0.0));
  }

  void report(Measured& out) const {
    out.kernels_ms = median_of(sums_);
    out.layers.resize(graph_.layers.size());
    for (std::size_t k = 0; k < executable_.nodes.size(); ++k) {
      const Node& node = graph_.node(executable_.nodes[k]);
      LayerTimes& times =
          node.layer == kNone ? out.rest : out.layers[static_cast<std::size_t>(node.layer)];
      double& part = node.phase == Phase::Forward    ? times.forward
                     : node.phase == Phase::Backward ? times.backward
                                                     : times.update;
      part += median_of(ms_[k]);
    }
  }

 private:
  const Graph& graph_;
  const Executable& executable_;
  std::vector<std::vector<double>> ms_;
  std::vector<double> sums_;
};

Measured measure(Session& session, const RunSetup& setup, std::int64_t steps, Console& console) {
  std::vector<std::int64_t> samples;
  for (std::int64_t i = 0; i < batch_of(session); ++i)
    samples.push_back(i % setup.data().samples());
  stage_batch(session, setup.data(), samples);
  Measured out;
  KernelTimes kernels(session);
  Progress progress(console, "bench", steps + kWarmUp);
  std::uint64_t attempt = 0;
  const auto inputs = [&] {
    return StepInputs{setup.settings.seed, attempt++,
                      static_cast<float>(setup.request.learning_rate)};
  };
  for (std::int64_t i = 0; i < steps + kWarmUp && !stop_requested(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    const StepState state = session.step(inputs());
    const auto end = std::chrono::steady_clock::now();
    if (i >= kWarmUp) {
      out.step_ms.push_back(std::chrono::duration<double, std::milli>(end - start).count());
      out.loss = state.loss;
      kernels.measure(session, inputs());
    }
    progress.update(i + 1);
  }
  if (out.step_ms.empty()) throw Error(ErrorKind::Interrupted, "interrupted before the first step");
  std::sort(out.step_ms.begin(), out.step_ms.end());
  kernels.report(out);
  return out;
}

struct Bench {
  Measured measured;
  std::int64_t asked = 0;  // steps; fewer were measured where the user stopped it
  double predicted_ms = 0;
  std::int64_t predicted_peak = 0;
  std::int64_t measured_peak = 0;
  PeakParts parts;
  double samples_per_s = 0;

  bool interrupted() const { return static_cast<std::int64_t>(measured.step_ms.size()) < asked; }
};

nlohmann::ordered_json json_of(const RunSetup& setup, const Choice& choice, const Bench& bench) {
  const Measured& measured = bench.measured;
  nlohmann::ordered_json out;
  out["step_ms"] = measured.median();
  out["step_ms_min"] = measured.step_ms.front();
  out["spread"] = measured.spread();
  out["samples_per_s"] = bench.samples_per_s;
  out["peak_bytes"] = bench.measured_peak;
  out["predicted_peak_bytes"] = bench.predicted_peak;
  out["peak_parts"] = {{"parameters", bench.parts.parameters},
                       {"state", bench.parts.state},
                       {"copies", bench.parts.copies},
                       {"gradients", bench.parts.gradients},
                       {"activations", bench.parts.activations},
                       {"workspace", bench.parts.workspace},
                       {"inputs", bench.parts.inputs}};
  out["predicted_step_ms"] = bench.predicted_ms;
  out["kernels_ms"] = measured.kernels_ms;
  out["loss"] = measured.loss;
  out["steps"] = measured.step_ms.size();
  out["interrupted"] = bench.interrupted();
  out["batch"] = setup.model.batch;
  out["accumulate"] = setup.settings.accumulation;
  out["layers"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < setup.model.graph.layers.size(); ++i) {
    const Layer& layer = setup.model.graph.layers[i];
    const LayerTimes& times = measured.layers[i];
    out["layers"].push_back({{"name", layer.name},
                             {"op", layer.op},
                             {"precision", name_of(choice.precision[i])},
                             {"forward_ms", times.forward},
                             {"backward_ms", times.backward},
                             {"update_ms", times.update}});
  }
  return out;
}

std::string text_of(const RunSetup& setup, const Choice& choice, const Bench& bench, int width) {
  const Measured& measured = bench.measured;
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const std::string& name, const std::string& op, std::string_view precision,
                       const LayerTimes& times) {
    rows.push_back({name, op, std::string(precision), fmt::format("{:.3f}", times.forward),
                    fmt::format("{:.3f}", times.backward), fmt::format("{:.3f}", times.update),
                    fmt::format("{:.1f} %", 100 * times.sum() / measured.kernels_ms)});
  };
  const std::vector<Layer>& layers = setup.model.graph.layers;
  for (std::size_t i = 0; i < measured.layers.size(); ++i) {
    if (i < layers.size()) {
      add(layers[i].name, layers[i].op, name_of(choice.precision[i]), measured.layers[i]);
    } else {
      add("(loss)", "", "FP32", measured.layers[i]);
    }
  }
  add("(step control)", "", "", measured.rest);
  std::string out = table_text({{"layer", Align::Left, true},
                                {"op"},
                                {"precision"},
                                {"forward ms", Align::Right},
                                {"backward ms", Align::Right},
                                {"update ms", Align::Right},
                                {"share", Align::Right}},
                               rows, width);
  out += fmt::format(
      "\nstep     {:.3f} ms median, {:.3f} ms least, spread {:.1f} %, of {} steps{}\n",
      measured.median(), measured.step_ms.front(), 100 * measured.spread(), measured.step_ms.size(),
      bench.interrupted() ? fmt::format("; interrupted, {} were asked for", bench.asked) : "");
  out += fmt::format("         {:.3f} ms predicted; kernels alone {:.3f} ms\n", bench.predicted_ms,
                     measured.kernels_ms);
  out += fmt::format("speed    {:.0f} samples/s at batch {}\n", bench.samples_per_s,
                     setup.model.batch);
  out += fmt::format("peak     {} measured, {} predicted\n", format_bytes(bench.measured_peak),
                     format_bytes(bench.predicted_peak));
  return out;
}

int run(const Invocation& invocation, Console& console) {
  const std::int64_t steps =
      invocation.options.given("steps") ? invocation.options.integer("steps") : kDefaultSteps;
  RunSetup setup = set_up(invocation.arguments[0], invocation.options, console);
  const Choice choice = choose(setup, invocation.options, console);
  for (const std::string& note : choice.notes) console.note("note: " + note);
  Prepared prepared = prepare_choice(setup, choice);
  Bench bench;
  bench.predicted_peak = prepared.peak;
  bench.parts = parts_at_peak(prepared.training.lowered.graph, prepared.training.memory);
  bench.predicted_ms = predicted_ms(prepared.training.lowered.graph,
                                    measured_speed(setup, setup.model, choice.precision, console),
                                    setup.settings.accumulation);
  Session session(std::move(prepared), *setup.backend);
  setup.model.graph.drop_contents();
  bench.asked = steps;
  bench.measured = measure(session, setup, steps, console);
  bench.measured_peak = session.measured_peak();
  const std::int64_t samples = setup.model.batch * setup.settings.accumulation;
  bench.samples_per_s = 1000.0 * static_cast<double>(samples) / bench.measured.median();
  if (console.json()) {
    print_json(console, json_of(setup, choice, bench));
  } else {
    console.print(text_of(setup, choice, bench, console.width()));
  }
  if (bench.interrupted()) {
    console.warn(fmt::format("interrupted: these are figures of {} of {} steps",
                             bench.measured.step_ms.size(), bench.asked));
    return exit_code(ErrorKind::Interrupted);
  }
  return kExitOk;
}

}  // namespace

Verb bench_verb() {
  return {.name = "bench",
          .summary = "time the training step on synthetic data, as a whole and per layer",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"bench lenet.onnx --precision bf16 --batch 256 --steps 50",
                       "bench lenet.onnx --plan plan.json"},
          .run = run};
}

}  // namespace mpsearch
