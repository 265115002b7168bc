#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/progress.h"
#include "search/cli/run_settings.h"
#include "search/cli/run_setup.h"
#include "search/cli/shell_word.h"
#include "search/cli/signals.h"
#include "search/cli/train_run.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

/// A regression's last batch is left out where it is not whole, so one at least has to be.
void require_a_batch(const RunSetup& setup, const Dataset& data) {
  if (data.samples() >= setup.model.batch || setup.settings.loss == "cross-entropy") return;
  const bool classes = std::ranges::all_of(
      losses_of(setup.model, training_options(setup.settings)),
      [](const OutputLoss& loss) { return loss.kind == LossKind::CrossEntropy; });
  if (classes) return;
  throw Error(ErrorKind::Usage,
              {.what = fmt::format("batch {} is more than the data hold", setup.model.batch),
               .at = data.label,
               .why = fmt::format("it has {} samples, and only whole batches are evaluated",
                                  data.samples()),
               .try_ = fmt::format("--batch {}", data.samples())});
}

/// All of the data; Interrupted where the user stops it, since a part's figures are not the
/// whole's.
EvaluationResult evaluate_all(Session& session, const Dataset& data, const Invocation& invocation,
                              Console& console) {
  Progress progress(console, "eval", data.samples());
  bool stopped = false;
  const EvaluationResult result = evaluate(session, data, [&](std::int64_t done) {
    progress.update(done);
    stopped = stop_requested() && done < data.samples();
    return !stopped;
  });
  if (!stopped) return result;
  throw Error(
      ErrorKind::Interrupted,
      {.what = fmt::format("interrupted after {} of {} samples", result.samples, data.samples()),
       .at = data.label,
       .why = "the figures of a part are not those of the data, so none are shown",
       .try_ = command_without(invocation, "")});
}

int run(const Invocation& invocation, Console& console) {
  RunSetup setup = set_up(invocation.arguments[0], invocation.options, console);
  warn_of_synthetic(setup, invocation.options, console);
  // A folder's test files where there are any, else all that --data names.
  const Dataset& data = setup.evaluation ? *setup.evaluation : setup.data();
  require_a_batch(setup, data);
  const Choice choice = choose(setup, invocation.options, console);
  for (const std::string& note : choice.notes) console.note("note: " + note);
  Session session(prepare_choice(setup, choice), *setup.backend);
  setup.model.graph.drop_contents();
  const EvaluationResult result = evaluate_all(session, data, invocation, console);
  const Metric metric = metric_of(result);
  if (console.json()) {
    nlohmann::ordered_json out;
    out["loss"] = result.loss;
    out["metric"] = {{"name", metric.name}, {"value", metric.value}};
    out["samples"] = result.samples;
    out["data"] = data.label;
    out["synthetic"] = data.label == "synthetic";
    print_json(console, out);
    return kExitOk;
  }
  console.print(fmt::format("samples   {} of {}{}\nloss      {:.6f} ({}, {})\n", result.samples,
                            data.label, setup.evaluation ? ", its test part" : "", result.loss,
                            setup.settings.loss, setup.loss_reason));
  if (result.has_accuracy) console.print(fmt::format("accuracy  {:.2f} %\n", 100 * metric.value));
  if (data.label == "synthetic") console.print(fmt::format("note      {}\n", kMadeUpData));
  return kExitOk;
}

}  // namespace

Verb eval_verb() {
  return {.name = "eval",
          .summary = "loss and accuracy of a network on data, without training",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"eval lenet-trained.onnx --data fashion-mnist/",
                       "eval lenet-trained.onnx --data fashion-mnist/ --plan plan.json"},
          .run = run};
}

}  // namespace mpsearch
