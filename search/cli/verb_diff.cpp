#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/stored/plan.h"
#include "search/cli/output.h"
#include "search/cli/shell_word.h"
#include "search/cli/size.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

/// A layer's precision in each plan; empty where a plan lacks the layer.
struct Difference {
  std::string name;
  std::string a;
  std::string b;
};

/// In the order of the first plan; layers that only the second one has come last.
std::vector<Difference> differences(const Plan& a, const Plan& b) {
  std::map<std::string, std::string> of_b;
  for (const PlannedLayer& layer : b.layers) of_b[layer.name] = name_of(layer.precision);
  std::vector<Difference> out;
  for (const PlannedLayer& layer : a.layers) {
    out.push_back({layer.name, std::string(name_of(layer.precision)), of_b[layer.name]});
    of_b.erase(layer.name);
  }
  for (const PlannedLayer& layer : b.layers) {
    if (of_b.contains(layer.name)) {
      out.push_back({layer.name, {}, std::string(name_of(layer.precision))});
    }
  }
  return out;
}

nlohmann::ordered_json json_of(const Plan& a, const Plan& b,
                               const std::vector<Difference>& layers) {
  const auto precision = [](const std::string& text) {
    return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
  };
  nlohmann::ordered_json out;
  out["layers"] = nlohmann::ordered_json::array();
  for (const Difference& layer : layers) {
    out["layers"].push_back(
        {{"name", layer.name}, {"a", precision(layer.a)}, {"b", precision(layer.b)}});
  }
  out["budget_bytes"] = {a.budget_bytes, b.budget_bytes};
  out["peak_bytes"] = {a.peak_bytes, b.peak_bytes};
  out["step_ms"] = {a.step_ms, b.step_ms};
  out["sensitivity"] = {a.sensitivity, b.sensitivity};
  out["edited"] = {edited(a), edited(b)};
  out["same_model"] = a.model.sha256 == b.model.sha256;
  return out;
}

std::string text_of(const Plan& a, const Plan& b, const std::vector<Difference>& layers,
                    const std::vector<std::string>& names, int width) {
  std::vector<std::vector<std::string>> rows;
  for (const Difference& layer : layers) {
    if (layer.a != layer.b) {
      rows.push_back(
          {layer.name, layer.a.empty() ? "-" : layer.a, layer.b.empty() ? "-" : layer.b});
    }
  }
  std::string out = fmt::format("a = {}\nb = {}\n\n", names[0], names[1]);
  if (!rows.empty()) out += table_text({{"layer", Align::Left, true}, {"a"}, {"b"}}, rows, width);
  out += fmt::format("{} of {} layers differ\n\n", rows.size(), layers.size());
  out += table_text(
      {{""}, {"a", Align::Right}, {"b", Align::Right}},
      {{"peak", format_bytes(a.peak_bytes), format_bytes(b.peak_bytes)},
       {"step", fmt::format("{:.3g} ms", a.step_ms), fmt::format("{:.3g} ms", b.step_ms)},
       {"sensitivity", fmt::format("{:.3g}", a.sensitivity), fmt::format("{:.3g}", b.sensitivity)}},
      0);
  for (const auto& [plan, letter] : {std::pair(&a, 'a'), std::pair(&b, 'b')}) {
    if (!edited(*plan)) continue;
    out += fmt::format(
        "\n{} was edited by hand since the search: its figures are still those from before; "
        "mpsearch "
        "verify {} --plan {} says which hold\n",
        letter, plan->model.name, shell_word(names[letter == 'a' ? 0 : 1]));
  }
  return out;
}

int run(const Invocation& invocation, Console& console) {
  std::vector<Plan> plans;
  for (const std::string& path : invocation.arguments) {
    Read<Plan> read = read_plan(path);
    for (const std::string& warning : read.warnings) console.warn(warning);
    plans.push_back(std::move(read.value));
  }
  const Plan& a = plans[0];
  const Plan& b = plans[1];
  if (a.model.sha256 != b.model.sha256) {
    console.warn(fmt::format("the plans are of two models: {} ({:.8}) and {} ({:.8})", a.model.name,
                             a.model.sha256, b.model.name, b.model.sha256));
  }
  const std::vector<Difference> layers = differences(a, b);
  if (console.json()) {
    print_json(console, json_of(a, b, layers));
  } else {
    console.print(text_of(a, b, layers, invocation.arguments, console.width()));
  }
  return 0;
}

}  // namespace

Verb diff_verb() {
  return {.name = "diff",
          .summary = "two plans side by side",
          .arguments = {{.name = "A.json", .help = "a plan"},
                        {.name = "B.json", .help = "the plan to compare it with"}},
          .examples = {"diff plan.json plan-80.json"},
          .run = run};
}

}  // namespace mpsearch
