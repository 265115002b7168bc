#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/stored/profile.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/profile_bar.h"
#include "search/cli/run_setup.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

/// A layer's entries stand together in a stored profile.
nlohmann::ordered_json json_of(const Profile& profile) {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (const LayerProfile& entry : profile.layers) {
    if (layers.empty() || layers.back()["name"] != entry.name) {
      layers.push_back({{"name", entry.name},
                        {"op", entry.op},
                        {"ms", nlohmann::ordered_json::object()},
                        {"sensitivity", nlohmann::ordered_json::object()},
                        {"excluded", nlohmann::ordered_json::object()}});
    }
    nlohmann::ordered_json& layer = layers.back();
    const std::string precision(name_of(entry.precision));
    if (!entry.excluded.empty()) {
      layer["excluded"][precision] = entry.excluded;
      continue;
    }
    layer["ms"][precision] = {entry.forward_ms, entry.backward_ms, entry.update_ms};
    layer["sensitivity"][precision] = {{"score", entry.sensitivity.value_or(0)},
                                       {"error", entry.sensitivity_error.value_or(0)}};
  }
  nlohmann::ordered_json out;
  out["layers"] = std::move(layers);
  out["steps"] = profile.steps;
  out["warm_up_steps"] = profile.warm_up_steps;
  out["fp32_step_ms"] = profile.fp32_step_ms;
  out["device"] = profile.device.name;
  out["data"] = profile.settings.data;
  out["synthetic"] = profile.settings.data == "synthetic";
  return out;
}

std::string text_of(const Profile& profile, int width) {
  std::vector<std::vector<std::string>> rows;
  std::string last;
  for (const LayerProfile& entry : profile.layers) {
    std::vector<std::string> row{entry.name == last ? "" : entry.name,
                                 entry.name == last ? "" : entry.op,
                                 std::string(name_of(entry.precision))};
    last = entry.name;
    if (!entry.excluded.empty()) {
      row.insert(row.end(), {"", "", "", "", entry.excluded});
    } else {
      row.push_back(fmt::format("{:.3f}", entry.forward_ms));
      row.push_back(fmt::format("{:.3f}", entry.backward_ms));
      row.push_back(fmt::format("{:.3f}", entry.update_ms));
      row.push_back(fmt::format("{:.2e} +-{:.0e}", entry.sensitivity.value_or(0),
                                entry.sensitivity_error.value_or(0)));
    }
    rows.push_back(std::move(row));
  }
  return table_text({{"layer", Align::Left, true},
                     {"op"},
                     {"precision"},
                     {"forward ms", Align::Right},
                     {"backward ms", Align::Right},
                     {"update ms", Align::Right},
                     {"sensitivity", Align::Right},
                     {"excluded because", Align::Left, true}},
                    rows, width) +
         fmt::format("\nmeasured on {}; sensitivity cost {:.1f} FP32 steps, {} of them warm-up\n",
                     profile.device.name, profile.steps, profile.warm_up_steps);
}

int run(const Invocation& invocation, Console& console) {
  RunSetup setup = set_up(invocation.arguments[0], invocation.options, console);
  require_enough_samples(setup, invocation.options);
  warn_of_synthetic(setup, invocation.options, console, kMadeUpScores);
  const Profiled profiled =
      profile_model(setup.model, setup.request, *setup.backend, setup.data(), profile_bar(console));
  const Profile profile = document_of(setup, profiled);
  const bool written = invocation.options.given("output");
  if (written) write_profile(invocation.options.text("output"), profile);
  if (console.json()) {
    print_json(console, json_of(profile));
  } else {
    console.print(text_of(profile, console.width()));
    if (profile.settings.data == "synthetic") {
      console.print(fmt::format("note     {}\n", kMadeUpScores));
    }
    if (written) console.print(fmt::format("profile  {}\n", invocation.options.text("output")));
  }
  return kExitOk;
}

}  // namespace

Verb profile_verb() {
  return {.name = "profile",
          .summary = "measure each layer's time and sensitivity in every precision",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"profile lenet.onnx --data fashion-mnist/ --batch 64",
                       "profile lenet.onnx --data fashion-mnist/ -o profile.json"},
          .run = run};
}

}  // namespace mpsearch
