#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/run_setup.h"
#include "search/cli/train_run.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

int run(const Invocation& invocation, Console& console) {
  RunSetup setup = set_up(invocation.arguments[0], invocation.options, console);
  const Choice choice = choose(setup, invocation.options, console);
  for (const std::string& note : choice.notes) console.note("note: " + note);
  Session session(prepare_choice(setup, choice), *setup.backend);
  setup.model.graph.drop_contents();
  // A folder's test files where there are any, else all that --data names.
  const Dataset& data = setup.evaluation ? *setup.evaluation : setup.data();
  const EvaluationResult result = evaluate(session, data);
  const Metric metric = metric_of(result);
  if (console.json()) {
    nlohmann::ordered_json out;
    out["loss"] = result.loss;
    out["metric"] = {{"name", metric.name}, {"value", metric.value}};
    out["samples"] = result.samples;
    out["data"] = data.label;
    print_json(console, out);
    return kExitOk;
  }
  console.print(fmt::format("samples   {} of {}{}\nloss      {:.6f} ({}, {})\n", result.samples,
                            data.label, setup.evaluation ? ", its test part" : "", result.loss,
                            setup.settings.loss, setup.loss_reason));
  if (result.has_accuracy) console.print(fmt::format("accuracy  {:.2f} %\n", 100 * metric.value));
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
