#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "models/onnx/export.h"
#include "models/stored/plan.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/paths.h"
#include "search/cli/run_settings.h"
#include "search/cli/shell_word.h"
#include "search/cli/verbs.h"
#include "search/planner.h"

namespace mpsearch {
namespace {

std::vector<ExportedLayer> layers_of(const Plan& plan) {
  std::vector<ExportedLayer> layers;
  for (const PlannedLayer& layer : plan.layers) {
    layers.push_back({.name = layer.name,
                      .precision = layer.precision,
                      .ms = layer.ms,
                      .bytes = layer.bytes,
                      .sensitivity = layer.sensitivity,
                      .reason = layer.reason});
  }
  return layers;
}

int run(const Invocation& invocation, Console& console) {
  const Options& options = invocation.options;
  const std::string& model_path = invocation.arguments[0];
  if (!options.given("plan")) {
    throw Error(ErrorKind::Usage, {.what = "export needs --plan",
                                   .at = {},
                                   .why = "it writes the network as the plan runs it",
                                   .try_ = fmt::format("mpsearch export {} --plan plan.json",
                                                       shell_word(model_path))});
  }
  const std::string output = output_path(
      invocation, "output", std::filesystem::path(model_path).stem().string() + "-typed.onnx");
  Read<Plan> read = read_plan(options.text("plan"));
  for (const std::string& warning : read.warnings) console.warn(warning);
  const Plan& plan = read.value;
  const ImportOptions import = import_options(settings_from(options, &plan));
  // The trained file has another hash than the plan's model, but must have its layers.
  precision_of(plan, import_model(model_path, import));
  const std::vector<std::string> notes = export_plan(
      model_path, import, layers_of(plan), {}, {{"mpsearch.plan", options.text("plan")}}, output);
  for (const std::string& note : notes) console.note("note: " + note);
  if (console.json()) {
    print_json(console, {{"model", output}, {"notes", notes}});
  } else {
    console.print(output + "\n");
  }
  return kExitOk;
}

}  // namespace

Verb export_verb() {
  return {.name = "export",
          .summary = "write the network as the plan runs it: a strongly typed ONNX file",
          .arguments = {{.name = "MODEL.onnx", .help = "the network, trained or not"}},
          .examples = {"export lenet-trained.onnx --plan plan.json -o lenet-typed.onnx"},
          .run = run};
}

}  // namespace mpsearch
