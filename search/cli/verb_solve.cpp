#include <chrono>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "models/stored/atomic_file.h"
#include "models/stored/plan.h"
#include "search/cli/dump_problem.h"
#include "search/cli/exit_code.h"
#include "search/cli/output.h"
#include "search/cli/signals.h"
#include "search/cli/size.h"
#include "search/cli/table.h"
#include "search/cli/verbs.h"
#include "search/solver/certificate.h"
#include "search/solver/child.h"
#include "search/solver/lp_file.h"
#include "search/solver/problem_json.h"
#include "search/solver/solve.h"

namespace mpsearch {
namespace {

Engine engine_named(const std::string& name) {
  return name == "exact" ? Engine::Exact : name == "cbc" ? Engine::Cbc : Engine::Auto;
}

/// CPU time of all threads, and of the processes that CBC ran in.
double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return 1e3 * (static_cast<double>(now.tv_sec) + solver::seconds_of_children()) +
         1e-6 * static_cast<double>(now.tv_nsec);
}

struct Spent {
  double wall_ms = 0;
  double cpu_ms = 0;
};

nlohmann::ordered_json json_of(const Solution& solution, const Spent& spent) {
  const bool found = !solution.choice.empty();
  nlohmann::ordered_json out;
  out["status"] = name_of(solution.status);
  out["objective"] = found ? nlohmann::ordered_json(solution.objective) : nullptr;
  const bool bounded = solution.status != SolveStatus::Infeasible;
  out["bound"] = bounded ? nlohmann::ordered_json(solution.bound) : nullptr;
  out["gap"] = found ? nlohmann::ordered_json(solution.gap) : nullptr;
  out["solve_ms"] = spent.wall_ms;
  out["solve_cpu_ms"] = spent.cpu_ms;
  out["choice"] = solution.choice;
  out["solver"] = solution.solver;
  out["ms"] = found ? nlohmann::ordered_json(solution.ms) : nullptr;
  out["sensitivity"] = found ? nlohmann::ordered_json(solution.sensitivity) : nullptr;
  out["peak_bytes"] = found ? nlohmann::ordered_json(solution.peak_bytes) : nullptr;
  out["nodes"] = solution.nodes;
  if (!solution.failure.empty()) out["failure"] = solution.failure;
  return out;
}

/// Checks the answer as anyone could who has only the problem, and adds the proof to `out`.
void add_certificate(const Problem& problem, const Solution& solution,
                     nlohmann::ordered_json& out) {
  if (!solution.certificate) return;
  const Certificate& certificate = *solution.certificate;
  const CertificateCheck check =
      check_certificate(problem, {solution.choice, solution.status == SolveStatus::Optimal,
                                  solution.objective, solution.bound, solution.gap, certificate});
  require(check.fault.empty(), ErrorKind::Internal, "the solver's certificate: " + check.fault);
  nlohmann::ordered_json events = nlohmann::ordered_json::array();
  for (const EventPrice& event : certificate.events) events.push_back({event.event, event.price});
  out["certificate"] = {{"root_bound", certificate.bound},
                        {"events", events},
                        {"ms", certificate.ms},
                        {"sensitivity", certificate.sensitivity},
                        {"checked_bound", check.bound ? nlohmann::ordered_json(*check.bound)
                                                      : nlohmann::ordered_json()}};
}

std::string text_of(const Problem& problem, const Solution& solution, double solve_ms) {
  std::string out;
  if (!solution.choice.empty()) {
    std::vector<std::vector<std::string>> rows;
    for (std::size_t i = 0; i < problem.layers.size(); ++i) {
      const ProblemLayer& layer = problem.layers[i];
      const ProblemOption& option = layer.options[static_cast<std::size_t>(solution.choice[i])];
      rows.push_back({layer.name, option.name, fmt::format("{:.4g}", option.sensitivity),
                      fmt::format("{:.4g}", option.ms)});
    }
    out = table_text({{"layer", Align::Left, true},
                      {"choice"},
                      {"sensitivity", Align::Right},
                      {"ms", Align::Right}},
                     rows, 0);
    out += fmt::format("\nobjective {:.6g}  bound {:.6g}  gap {:.3g}\n", solution.objective,
                       solution.bound, solution.gap);
    out += fmt::format("peak {} of {} at event {}\n", format_bytes(solution.peak_bytes),
                       format_bytes(problem.limits.bytes), solution.peak_event);
  }
  return out + fmt::format("{} in {:.1f} ms by {}\n", name_of(solution.status), solve_ms,
                           solution.solver);
}

Problem problem_at(const std::string& path) {
  const std::string content = read_whole_file(path);
  try {
    return read_problem(content, path);
  } catch (const Error&) {
    const nlohmann::json document = nlohmann::json::parse(content, nullptr, false);
    if (!document.is_object() || document.value("format", nlohmann::json()) != Plan().format) throw;
    throw Error(ErrorKind::BadContent,
                {.what = "this is a plan, not a problem",
                 .at = path,
                 .why = "solve reads the optimisation problem that a plan answers",
                 .try_ = "mpsearch MODEL.onnx --budget SIZE --dump-problem problem.json"});
  }
}

int run(const Invocation& invocation, Console& console) {
  const std::string& path = invocation.arguments[0];
  const Problem problem = problem_at(path);
  dump_problem(invocation.options, problem);
  SolveOptions options;
  options.engine = engine_named(invocation.options.text("solver"));
  options.time_limit = invocation.options.number("time-limit");
  options.certify = invocation.options.flag("certify");
  options.stop = &stop_flag();
  const auto start = std::chrono::steady_clock::now();
  const double cpu_before = cpu_ms();
  const Solution solution = solve(problem, options);
  const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now() - start;
  const Spent spent{wall.count(), cpu_ms() - cpu_before};
  nlohmann::ordered_json out = json_of(solution, spent);
  add_certificate(problem, solution, out);
  if (console.json()) {
    print_json(console, out);
  } else {
    console.print(text_of(problem, solution, spent.wall_ms));
    if (solution.certificate) {
      console.print(fmt::format("certificate: {} multipliers prove {:.6g}, checked apart\n",
                                out["certificate"]["events"].size(), solution.certificate->bound));
    }
  }
  if (!solution.failure.empty()) console.warn(solution.failure);
  if (solution.interrupted) return exit_code(ErrorKind::Interrupted);
  return solution.choice.empty() ? exit_code(ErrorKind::GoalNotMet) : kExitOk;
}

}  // namespace

Verb solve_verb() {
  return {.name = "solve",
          .summary = "the optimiser alone, on a stored problem (docs/schemas/problem.schema.json)",
          .arguments = {{.name = "PROBLEM.json", .help = "written by --dump-problem, or your own"}},
          .examples = {"solve problem.json", "solve problem.json --time-limit 5 --json"},
          .run = run};
}

}  // namespace mpsearch
