#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "models/op.h"
#include "runtime/resident.h"
#include "runtime/trainer.h"
#include "search/cli/departures.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/run_setup.h"
#include "search/cli/size.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"
#include "search/proof.h"

namespace mpsearch {
namespace {

constexpr std::int64_t kDefaultSteps = 2;

struct Mismatch {
  std::string layer;
  std::string planned;
  std::string executed;
};

struct Verdict {
  std::vector<Mismatch> mismatches;
  std::int64_t planned_peak = 0;
  std::int64_t prepared_peak = 0;  // of the arena that ran
  std::int64_t measured_peak = 0;
  std::int64_t budget = 0;
  std::int64_t resident_growth = 0;  // of the process, from before the arena to after the run
  PlanProof proof;
  std::vector<std::string> departures;  // from what the plan was made for
  bool edited = false;

  bool ok() const {
    return mismatches.empty() && proof.fault.empty() && prepared_peak == planned_peak &&
           measured_peak <= budget && measured_peak <= planned_peak;
  }
};

/// Where an executed forward node departs from what the planned precision means; empty: nowhere.
std::string departure(const Graph& graph, const Node& node, const LayerFormats& planned) {
  const OpDef& op = *node.op;
  const auto check = [&](ValueId id, Role role) -> std::string {
    const DType dtype = graph.value(id).type.form.dtype;
    if (role == Role::Operand && is_float(dtype) && dtype != planned.operand) {
      return fmt::format("{} reads {}", node.name, name_of(dtype));
    }
    return {};
  };
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    if (std::string text = check(node.inputs[i], role_of_input(op, i)); !text.empty()) return text;
  }
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const DType dtype = graph.value(node.outputs[i]).type.form.dtype;
    if (node.outputs[i] != kNone && is_float(dtype) && role_of_output(op, i) == Role::Carrier &&
        dtype != planned.carrier && dtype != planned.operand) {
      return fmt::format("{} writes {}", node.name, name_of(dtype));
    }
  }
  return {};
}

/// Compares the graph that ran with the plan's words, node by node.
std::vector<Mismatch> mismatches(const Session& session, const Plan& plan) {
  const Graph& graph = session.prepared().training.lowered.graph;
  std::vector<Mismatch> out;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerFormats formats = formats_of(plan.layers[i].precision);
    for (const NodeId id : session.training().nodes) {
      const Node& node = graph.node(id);
      if (node.layer != static_cast<LayerId>(i) || node.phase != Phase::Forward) continue;
      if (node.op->name == "Cast" || node.op->name == "Quantize") continue;
      const std::string executed = departure(graph, node, formats);
      if (executed.empty()) continue;
      out.push_back(
          {plan.layers[i].name, std::string(name_of(plan.layers[i].precision)), executed});
      break;
    }
  }
  return out;
}

void run_steps(Session& session, const RunSetup& setup, std::int64_t steps) {
  std::vector<std::int64_t> samples;
  for (std::int64_t i = 0; i < batch_of(session); ++i)
    samples.push_back(i % setup.data().samples());
  for (std::int64_t attempt = 0; attempt < steps; ++attempt) {
    stage_batch(session, setup.data(), samples);
    session.step({setup.settings.seed, static_cast<std::uint64_t>(attempt),
                  static_cast<float>(setup.request.learning_rate)});
  }
  session.evaluate();
}

nlohmann::ordered_json json_of(const Verdict& verdict) {
  nlohmann::ordered_json out;
  out["ok"] = verdict.ok();
  out["planned_peak_bytes"] = verdict.planned_peak;
  out["measured_peak_bytes"] = verdict.measured_peak;
  out["arena_bytes"] = verdict.prepared_peak;
  out["budget_bytes"] = verdict.budget;
  out["resident_growth_bytes"] = verdict.resident_growth;
  const PlanProof& proof = verdict.proof;
  out["certificate"] = {
      {"checked", proof.fault.empty() && proof.unchecked.empty()},
      {"root_bound", proof.bound ? nlohmann::ordered_json(*proof.bound) : nlohmann::ordered_json()},
      {"fault", proof.fault},
      {"why_not", proof.unchecked}};
  out["edited"] = verdict.edited;
  out["departures"] = verdict.departures;
  out["mismatches"] = nlohmann::ordered_json::array();
  for (const Mismatch& mismatch : verdict.mismatches) {
    out["mismatches"].push_back({{"layer", mismatch.layer},
                                 {"planned", mismatch.planned},
                                 {"executed", mismatch.executed}});
  }
  return out;
}

/// What was proven here, and what rests on the solver's word.
std::string certificate_text(const PlanProof& proof, const Plan& plan) {
  if (!proof.fault.empty()) return "refused, see below";
  if (!proof.unchecked.empty()) return "not checked: " + proof.unchecked;
  const std::string exact = fmt::format("objective {:.6g} recomputed", plan.objective);
  if (!proof.bound) return exact + "; the bound rests on the solver's search";
  const double gap = plan.objective - *proof.bound;
  if (gap <= 1e-9 * std::abs(plan.objective)) return exact + " and proven optimal";
  return fmt::format(
      "{}; {} multipliers prove that none is below {:.6g} ({:.2g} % less); {} rests "
      "on {} nodes of the solver's search",
      exact, plan.multipliers.size(), *proof.bound, 100 * gap / std::abs(plan.objective),
      plan.status == "optimal" ? "that it is optimal" : "its better bound", plan.solver_nodes);
}

/// What is wrong, and the way to a plan of which it is not.
std::string faults_text(const Verdict& verdict) {
  std::string text = "not ok:\n";
  if (!verdict.mismatches.empty()) {
    text += fmt::format("  {} layers run in another precision than planned\n",
                        verdict.mismatches.size());
  }
  if (verdict.measured_peak > verdict.budget) {
    text += fmt::format("  the measured peak is {} bytes over the budget\n",
                        verdict.measured_peak - verdict.budget);
  }
  const bool stale = verdict.prepared_peak != verdict.planned_peak || !verdict.proof.fault.empty();
  if (verdict.prepared_peak != verdict.planned_peak) {
    text += fmt::format("  the plan says a peak of {} bytes, its layers need {}\n",
                        verdict.planned_peak, verdict.prepared_peak);
  }
  if (!verdict.proof.fault.empty()) text += "  " + verdict.proof.fault + "\n";
  for (const std::string& departure : verdict.departures) text += "  " + departure + "\n";
  if (stale && verdict.departures.empty()) {
    text +=
        "an edited plan keeps the figures of the old one: plan again with --pin "
        "'LAYER=PRECISION'\n";
  }
  return text;
}

std::string text_of(const Verdict& verdict, const Plan& plan, int width) {
  const std::size_t layers = plan.layers.size();
  std::vector<std::vector<std::string>> rows;
  for (const Mismatch& mismatch : verdict.mismatches) {
    rows.push_back({mismatch.layer, mismatch.planned, mismatch.executed});
  }
  std::string out;
  if (!rows.empty()) {
    out = table_text({{"layer", Align::Left, true}, {"planned"}, {"executed"}}, rows, width) + "\n";
  }
  out += fmt::format("layers   {} of {} run as planned\n", layers - rows.size(), layers);
  const auto bytes = [](std::int64_t value) {
    return fmt::format("{} ({} bytes)", format_bytes(value), value);
  };
  out += fmt::format("planned  {}\narena    {}\nmeasured {}\nbudget   {}\nprocess  grew by {}\n",
                     bytes(verdict.planned_peak), bytes(verdict.prepared_peak),
                     bytes(verdict.measured_peak), bytes(verdict.budget),
                     bytes(verdict.resident_growth));
  out += fmt::format("proof    {}\n", certificate_text(verdict.proof, plan));
  return out + (verdict.ok() ? "ok: the plan is feasible and obeyed\n" : faults_text(verdict));
}

/// The plan's claims against the problem, from the profile cache; nothing is measured for it.
PlanProof proof_of(const RunSetup& setup) {
  const std::optional<Profiled> profiled =
      profile_from_cache(setup.model, setup.request, *setup.backend, setup.plan->settings);
  if (profiled) return check_plan(*profiled, setup.request, *setup.plan);
  PlanProof proof;
  proof.unchecked = "the profile that the plan was made with is not in the cache";
  return proof;
}

int run(const Invocation& invocation, Console& console) {
  if (!invocation.options.given("plan")) {
    throw Error(ErrorKind::Usage, {.what = "verify needs --plan",
                                   .at = {},
                                   .why = "it compares a run with a plan",
                                   .try_ = fmt::format("mpsearch verify {} --plan plan.json",
                                                       invocation.arguments[0])});
  }
  const std::int64_t steps =
      invocation.options.given("steps") ? invocation.options.integer("steps") : kDefaultSteps;
  RunSetup setup = set_up(invocation.arguments[0], invocation.options, console);
  Choice choice = choose(setup, invocation.options, console);
  // Exceeding the budget is a verdict here, not an error.
  choice.budget_bytes = 0;
  const std::int64_t resident = resident_bytes();
  Session session(prepare_choice(setup, choice), *setup.backend);
  setup.model.graph.drop_contents();
  run_steps(session, setup, steps);
  const std::int64_t resident_growth = resident_bytes() - resident;
  const Verdict verdict{.mismatches = mismatches(session, *setup.plan),
                        .planned_peak = setup.plan->peak_bytes,
                        .prepared_peak = session.prepared().peak,
                        .measured_peak = session.measured_peak(),
                        .budget = setup.plan->budget_bytes,
                        .resident_growth = resident_growth,
                        .proof = proof_of(setup),
                        .departures = departures(setup),
                        .edited = edited(*setup.plan)};
  if (console.json()) {
    print_json(console, json_of(verdict));
  } else {
    console.print(text_of(verdict, *setup.plan, console.width()));
  }
  return verdict.ok() ? kExitOk : exit_code(ErrorKind::GoalNotMet);
}

}  // namespace

Verb verify_verb() {
  return {.name = "verify",
          .summary = "run a few steps and prove that a plan is feasible and obeyed",
          .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
          .examples = {"verify lenet.onnx --plan plan.json"},
          .run = run};
}

}  // namespace mpsearch
