#include "search/cli/plan_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "search/cli/size.h"
#include "search/cli/table.h"

namespace mpsearch {
namespace {

constexpr std::size_t kShownTensors = 12;

template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

double ratio(double a, double b) { return b > 0 ? a / b : 0; }

std::string parts_text(const PeakParts& parts) {
  return fmt::format(
      "weights {}, optimizer and state {}, copies {}, gradients {}, activations {}, "
      "workspace {}, inputs {}",
      format_bytes(parts.parameters), format_bytes(parts.state), format_bytes(parts.copies),
      format_bytes(parts.gradients), format_bytes(parts.activations), format_bytes(parts.workspace),
      format_bytes(parts.inputs));
}

/// What narrows the choice, as the user asked for it.
std::string restrictions_text(const PlanRequest& request) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (request.max_time_ratio) add(fmt::format("--max-time-ratio {}", *request.max_time_ratio));
  if (request.max_sensitivity) add(fmt::format("--max-sensitivity {}", *request.max_sensitivity));
  for (const Pin& pin : request.restrictions.pins) {
    add(fmt::format("--pin '{}={}'", pin.pattern, name_of(pin.precision)));
  }
  if (request.restrictions.precisions.size() < kPrecisions.size()) add("the precisions allowed");
  return text.empty() ? "the casts that this device has" : text;
}

std::string predictions(const Plan& plan) {
  std::string out;
  out += fmt::format("step         {:.3f} ms, {:.2f}x of FP32's {:.3f} ms (+-{:.1f} %)\n",
                     plan.step_ms, ratio(plan.step_ms, plan.fp32_step_ms), plan.fp32_step_ms,
                     100 * plan.step_ms_spread);
  out += fmt::format("peak         {} of the budget's {} (FP32: {}), {} of it weight state\n",
                     format_bytes(plan.peak_bytes), format_bytes(plan.budget_bytes),
                     format_bytes(plan.fp32_peak_bytes), format_bytes(plan.weight_state_bytes));
  out += fmt::format("sensitivity  {:.3e}{}\n", plan.sensitivity,
                     plan.settings.data == "synthetic" ? ", of data made up at random" : "");
  if (plan.paired_check) {
    const PairedCheck& check = *plan.paired_check;
    out += fmt::format(
        "paired check loss {:+.2e} against FP32 over {} steps, 95 % in [{:+.2e}, "
        "{:+.2e}]\n",
        check.loss_difference, check.steps, check.low, check.high);
  }
  out += fmt::format("casts        {}, {:.3f} ms\n", plan.casts.count, plan.casts.ms);
  if (plan.gap) {
    out += fmt::format("solver       {}, gap {:.2g} %, {} nodes", plan.status, 100 * *plan.gap,
                       plan.solver_nodes);
    if (plan.root_bound) {
      out += fmt::format("; {} multipliers prove {:.4g} of {:.4g}", plan.multipliers.size(),
                         *plan.root_bound, plan.objective);
    }
    out += "\n";
  }
  return out;
}

}  // namespace

std::string plan_text(const Plan& plan, int width) {
  std::vector<std::vector<std::string>> rows;
  for (const PlannedLayer& layer : plan.layers) {
    rows.push_back({layer.name, layer.op, std::string(name_of(layer.precision)),
                    fmt::format("{:.2e}", layer.sensitivity), fmt::format("{:.3f} ms", layer.ms),
                    format_bytes(layer.bytes), layer.reason});
  }
  return table_text({{"layer", Align::Left, true},
                     {"op"},
                     {"choice"},
                     {"quality cost", Align::Right},
                     {"time", Align::Right},
                     {"memory", Align::Right},
                     {"why", Align::Left, true}},
                    rows, width) +
         "\n" + predictions(plan);
}

nlohmann::ordered_json plan_json(const Plan& plan) {
  nlohmann::ordered_json out;
  out["status"] = plan.status;
  out["objective"] = plan.objective;
  out["bound"] = or_null(plan.bound);
  out["gap"] = or_null(plan.gap);
  out["root_bound"] = or_null(plan.root_bound);
  out["multipliers"] = nlohmann::ordered_json::array();
  for (const Multiplier& row : plan.multipliers) {
    out["multipliers"].push_back({{"row", row.row}, {"value", row.value}});
  }
  out["budget_bytes"] = plan.budget_bytes;
  out["peak_bytes"] = plan.peak_bytes;
  out["fp32_peak_bytes"] = plan.fp32_peak_bytes;
  out["step_ms"] = plan.step_ms;
  out["fp32_step_ms"] = plan.fp32_step_ms;
  out["sensitivity"] = plan.sensitivity;
  out["casts"] = plan.casts.count;
  out["cast_ms"] = plan.casts.ms;
  out["chosen_by"] = plan.chosen_by;
  out["data"] = plan.settings.data;
  out["synthetic"] = plan.settings.data == "synthetic";
  if (plan.paired_check) {
    out["paired_check"] = {{"loss_difference", plan.paired_check->loss_difference},
                           {"low", plan.paired_check->low},
                           {"high", plan.paired_check->high},
                           {"steps", plan.paired_check->steps}};
  }
  out["layers"] = nlohmann::ordered_json::array();
  for (const PlannedLayer& layer : plan.layers) {
    out["layers"].push_back({{"name", layer.name},
                             {"op", layer.op},
                             {"precision", name_of(layer.precision)},
                             {"reason", layer.reason},
                             {"ms", layer.ms},
                             {"bytes", layer.bytes},
                             {"sensitivity", layer.sensitivity}});
  }
  return out;
}

ErrorText infeasible_text(const PlanAnswer& answer, const std::vector<Lever>& levers,
                          const PlanRequest& request, const std::string& command,
                          std::int64_t batch) {
  const Infeasible& why = *answer.infeasible;
  ErrorText text{.what = fmt::format("no plan fits into {} ({} bytes)",
                                     format_bytes(answer.budget_bytes), answer.budget_bytes),
                 .at = {},
                 .why = {},
                 .try_ = {}};
  if (why.least_budget_bytes == 0) {
    text.why = "no plan at any budget keeps " + restrictions_text(request);
  } else {
    text.at = fmt::format("step '{}', where the peak lies", why.limiting_event);
    text.why =
        fmt::format("the least possible peak at batch {} is {}{} ({} bytes): {}", batch,
                    why.by_bytes_alone ? "at least " : "", format_bytes(why.least_budget_bytes),
                    why.least_budget_bytes, parts_text(why.parts));
    for (std::size_t i = 0; i < std::min(kShownTensors, why.tensors.size()); ++i) {
      text.why +=
          fmt::format("\n{:>10}  {}", format_bytes(why.tensors[i].second), why.tensors[i].first);
    }
    text.try_ = fmt::format("{} --budget {}B", command, why.least_budget_bytes);
  }
  for (const Lever& lever : levers) {
    const std::string least =
        lever.least_budget_bytes == 0
            ? "no plan either"
            : fmt::format("least peak {}{} ({} bytes){}",
                          why.by_bytes_alone ? "at least "
                          : lever.exact      ? ""
                                             : "at most ",
                          format_bytes(lever.least_budget_bytes), lever.least_budget_bytes,
                          !lever.fits          ? ""
                          : why.by_bytes_alone ? ", which may fit"
                                               : ", which fits");
    text.try_ += fmt::format("{}{}: {}", text.try_.empty() ? "" : "\n", lever.change, least);
  }
  if (text.try_.empty()) text.try_ = "fewer restrictions";
  return text;
}

nlohmann::ordered_json infeasible_json(const PlanAnswer& answer, const std::vector<Lever>& levers) {
  const Infeasible& why = *answer.infeasible;
  nlohmann::ordered_json out;
  out["status"] = "infeasible";
  out["budget_bytes"] = answer.budget_bytes;
  out["least_budget_bytes"] = why.least_budget_bytes > 0
                                  ? nlohmann::ordered_json(why.least_budget_bytes)
                                  : nlohmann::ordered_json();
  out["by_bytes_alone"] = why.by_bytes_alone;
  out["limiting_event"] = why.limiting_event;
  out["tensors"] = nlohmann::ordered_json::array();
  for (const auto& [name, bytes] : why.tensors) {
    out["tensors"].push_back({{"name", name}, {"bytes", bytes}});
  }
  out["levers"] = nlohmann::ordered_json::array();
  for (const Lever& lever : levers) {
    out["levers"].push_back(
        {{"change", lever.change},
         {"least_budget_bytes", lever.least_budget_bytes > 0
                                    ? nlohmann::ordered_json(lever.least_budget_bytes)
                                    : nlohmann::ordered_json()},
         {"exact", lever.exact},
         {"fits", lever.fits}});
  }
  out["parts"] = {{"parameters", why.parts.parameters},
                  {"state", why.parts.state},
                  {"copies", why.parts.copies},
                  {"gradients", why.parts.gradients},
                  {"activations", why.parts.activations},
                  {"workspace", why.parts.workspace},
                  {"inputs", why.parts.inputs}};
  return out;
}

}  // namespace mpsearch
