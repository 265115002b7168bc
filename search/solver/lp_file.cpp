#include "search/solver/lp_file.h"

#include <cmath>

#include <fmt/format.h>

#include "search/solver/arc_flow.h"
#include "search/solver/engine.h"
#include "search/solver/linear_model.h"

namespace mpsearch {
namespace {

using solver::Column;
using solver::Entry;
using solver::LinearModel;

/// " + 2 x0_1 - 3 x1_0", a few to a line.
std::string sum_text(const LinearModel& model, const std::vector<Entry>& entries) {
  std::string out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    out += fmt::format(" {} {} {}", entry.factor < 0 ? '-' : '+', std::fabs(entry.factor),
                       model.columns[entry.column].name);
    if (i % 8 == 7) out += "\n";
  }
  return out.empty() ? " 0 " + model.columns.front().name : out;
}

std::vector<Entry> cost_entries(const LinearModel& model, double Column::*cost) {
  std::vector<Entry> entries;
  for (std::size_t c = 0; c < model.columns.size(); ++c)
    if (model.columns[c].*cost != 0)
      entries.push_back({static_cast<int>(c), model.columns[c].*cost});
  return entries;
}

void add_row(const LinearModel& model, const std::string& name, const std::vector<Entry>& entries,
             double lower, double upper, std::string& out) {
  const std::string sum = sum_text(model, entries);
  if (lower == upper) {
    out += fmt::format(" {}:{} = {}\n", name, sum, lower);
    return;
  }
  if (!std::isinf(upper)) out += fmt::format(" {}u:{} <= {}\n", name, sum, upper);
  if (!std::isinf(lower)) out += fmt::format(" {}l:{} >= {}\n", name, sum, lower);
}

std::string text_of(const Problem& problem, const LinearModel& model, bool event_rows,
                    const std::string& title) {
  const bool by_ms = problem.objective == Objective::Ms;
  std::string out = "\\ mpsearch problem: " + title + "\nMinimize\n obj:";
  out += sum_text(model, cost_entries(model, by_ms ? &Column::ms : &Column::sensitivity));
  out += "\nSubject To\n";
  for (std::size_t r = 0; r < model.rows.size(); ++r)
    add_row(model, fmt::format("r{}", r), model.rows[r].entries, model.rows[r].lower,
            model.rows[r].upper, out);
  for (int e = 0; e < problem.events && event_rows; ++e)
    add_row(model, fmt::format("event{}", e), solver::event_entries(model, e), -INFINITY,
            static_cast<double>(problem.limits.bytes - model.base[e]), out);
  if (problem.limits.ms)
    add_row(model, "ms", cost_entries(model, &Column::ms), -INFINITY, *problem.limits.ms, out);
  if (problem.limits.sensitivity)
    add_row(model, "sensitivity", cost_entries(model, &Column::sensitivity), -INFINITY,
            *problem.limits.sensitivity, out);
  out += "Bounds\n";
  const auto binary = [](const Column& column) { return column.integer && column.upper == 1; };
  for (const Column& column : model.columns)
    if (!binary(column))
      out += fmt::format(" {} <= {} <= {}\n", column.lower, column.name, column.upper);
  out += "Binaries\n";
  for (const Column& column : model.columns)
    if (binary(column)) out += " " + column.name + "\n";
  return out + "End\n";
}

}  // namespace

std::string write_lp(const Problem& problem) {
  validate(problem);
  return text_of(problem, solver::linear_model(problem, {}), true,
                 "one option per layer, bytes at every event");
}

std::optional<std::string> write_flow_lp(const Problem& problem) {
  validate(problem);
  const solver::Patience patience({});
  for (const solver::Order& order : solver::elimination_orders(problem, {}, patience)) {
    const std::optional<solver::FrontierGraph> graph =
        solver::build_graph(problem, order, {}, solver::kMostFlowArcs, patience);
    if (graph && graph->steps.front().nodes > 0)
      return text_of(problem, solver::arc_flow_model(*graph, problem), false,
                     "a unit of flow through the frontier graph");
  }
  return std::nullopt;
}

}  // namespace mpsearch
