#include "search/cli/no_plan.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "search/cli/output.h"
#include "search/cli/plan_text.h"
#include "search/cli/profile_bar.h"
#include "search/cli/size.h"
#include "search/levers.h"

namespace mpsearch {
namespace {

[[noreturn]] void refuse_unproven(const PlanAnswer& answer, Console& console) {
  if (console.json()) {
    print_json(console, {{"status", "unknown"}, {"budget_bytes", answer.budget_bytes}});
  }
  throw Error(answer.interrupted ? ErrorKind::Interrupted : ErrorKind::GoalNotMet,
              {.what = fmt::format("the search was stopped before it found a plan within {}",
                                   format_bytes(answer.budget_bytes)),
               .at = {},
               .why = "nor is it proven that there is none",
               .try_ = "more time, or a larger --budget"});
}

/// What `work` returns; an impossible pin is told to --json too.
template <class Work>
auto or_refuse(Console& console, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::GoalNotMet && console.json()) {
      print_json(console, {{"status", "infeasible"},
                           {"budget_bytes", nullptr},
                           {"least_budget_bytes", nullptr},
                           {"limiting_event", ""},
                           {"tensors", nlohmann::ordered_json::array()},
                           {"levers", nlohmann::ordered_json::array()},
                           {"why", error.text().at}});
    }
    throw;
  }
}

}  // namespace

Profiled profile_or_refuse(const RunSetup& setup, Console& console) {
  return or_refuse(console, [&] {
    return profile_model(setup.model, setup.request, *setup.backend, setup.data(),
                         profile_bar(console));
  });
}

Planned plan_or_refuse(const RunSetup& setup, Console& console) {
  return or_refuse(console, [&] {
    return plan_model(setup.model, setup.request, *setup.backend, setup.data(),
                      profile_bar(console));
  });
}

void require_plan(const PlanAnswer& answer, const Profiled& profiled, const RunSetup& setup,
                  const std::string& command, Console& console) {
  if (!answer.failure.empty()) console.warn(answer.failure);
  if (answer.status == SolveStatus::Unknown) refuse_unproven(answer, console);
  if (!answer.infeasible) return;
  const std::vector<Lever> levers = levers_of(
      profiled, setup.request, answer.infeasible->by_bytes_alone, *setup.backend,
      [&](std::int64_t batch) { return rebatched(setup, batch); }, profile_bar(console));
  if (console.json()) print_json(console, infeasible_json(answer, levers));
  throw Error(ErrorKind::GoalNotMet,
              infeasible_text(answer, levers, setup.request, command, setup.model.batch));
}

}  // namespace mpsearch
