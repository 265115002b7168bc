#include "search/solver/check.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "kernels/error.h"

namespace mpsearch {
namespace {

struct Use {
  int event = 0;
  int form = 0;
};

/// What the chosen options do with one tensor: events sorted, none twice.
struct TensorTrace {
  int form = -1;
  std::vector<int> writes;
  std::vector<Use> uses;
};

std::vector<TensorTrace> traces_of(const Problem& problem, std::span<const int> choice) {
  std::vector<TensorTrace> traces(problem.tensors.size());
  for (std::size_t t = 0; t < traces.size(); ++t) {
    if (!problem.tensors[t].written) continue;
    traces[t].form = problem.tensors[t].written->form;
    traces[t].writes = {problem.tensors[t].written->event};
  }
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    const ProblemOption& option = problem.layers[l].options[choice[l]];
    for (const TensorAccess& write : option.writes) {
      TensorTrace& trace = traces[write.tensor];
      trace.form = write.form;
      trace.writes.insert(trace.writes.end(), write.events.begin(), write.events.end());
    }
    for (const TensorAccess& read : option.reads)
      for (const int event : read.events) traces[read.tensor].uses.push_back({event, read.form});
  }
  for (TensorTrace& trace : traces) {
    std::sort(trace.writes.begin(), trace.writes.end());
    trace.writes.erase(std::unique(trace.writes.begin(), trace.writes.end()), trace.writes.end());
  }
  return traces;
}

/// Adds the casts and copies of the write at `from`, which serves the uses before `until`.
void account_write(const Problem& problem, int tensor_index, const TensorTrace& trace, int from,
                   int until, Evaluation& out) {
  const ProblemTensor& tensor = problem.tensors[tensor_index];
  std::vector<int> last(tensor.forms.size(), -1);
  for (const Use& use : trace.uses)
    if (use.event >= from && use.event < until)
      last[use.form] = std::max(last[use.form], use.event);
  int written_end = std::max(from, last[trace.form]);
  for (std::size_t form = 0; form < last.size(); ++form) {
    if (last[form] < 0 || static_cast<int>(form) == trace.form) continue;
    const auto cast =
        std::find_if(tensor.casts.begin(), tensor.casts.end(), [&](const ProblemCast& c) {
          return c.from == trace.form && c.to == static_cast<int>(form);
        });
    if (cast == tensor.casts.end()) {
      out.allowed = false;
      if (out.why.empty())
        out.why = fmt::format("tensor {} ({}) is written as {} and used as {}: no such cast",
                              tensor_index, tensor.name, tensor.forms[trace.form].name,
                              tensor.forms[form].name);
      continue;
    }
    const int at = std::max(from, cast->event);
    out.casts.push_back({tensor_index, trace.form, static_cast<int>(form), at, cast->ms});
    out.copies.push_back(
        {tensor_index, static_cast<int>(form), {at, last[form], tensor.forms[form].bytes}});
    written_end = std::max(written_end, at);
  }
  out.copies.push_back(
      {tensor_index, trace.form, {from, written_end, tensor.forms[trace.form].bytes}});
}

void sum_up(const Problem& problem, std::span<const int> choice, Evaluation& out) {
  std::vector<std::int64_t> change(static_cast<std::size_t>(problem.events) + 1, 0);
  const auto hold = [&](const ByteInterval& interval) {
    change[interval.first] += interval.bytes;
    change[interval.last + 1] -= interval.bytes;
  };
  for (std::size_t l = 0; l < choice.size(); ++l) {
    const ProblemOption& option = problem.layers[l].options[choice[l]];
    out.ms += option.ms;
    out.sensitivity += option.sensitivity;
    for (const ByteInterval& interval : option.bytes) hold(interval);
  }
  for (const PaidCast& cast : out.casts) out.ms += cast.ms;
  for (const LiveCopy& copy : out.copies) hold(copy.live);
  for (const ProblemPair& pair : problem.pairs)
    for (const PairTerm& term : pair.terms) {
      if (choice[pair.a] != term.a_option || choice[pair.b] != term.b_option) continue;
      out.ms += term.ms;
      out.sensitivity += term.sensitivity;
      for (const ByteInterval& interval : term.bytes) hold(interval);
    }
  out.bytes.resize(static_cast<std::size_t>(problem.events));
  std::int64_t held = 0;
  for (std::size_t e = 0; e < out.bytes.size(); ++e) {
    held += change[e];
    out.bytes[e] = problem.base[e] + held;
    if (e != 0 && out.bytes[e] <= out.peak) continue;
    out.peak = out.bytes[e];
    out.peak_event = static_cast<int>(e);
  }
}

}  // namespace

Evaluation evaluate(const Problem& problem, std::span<const int> choice) {
  if (choice.size() != problem.layers.size())
    throw Error(ErrorKind::Usage, fmt::format("the choice names {} layers, the problem has {}",
                                              choice.size(), problem.layers.size()));
  for (std::size_t l = 0; l < choice.size(); ++l)
    if (choice[l] < 0 || static_cast<std::size_t>(choice[l]) >= problem.layers[l].options.size())
      throw Error(ErrorKind::Usage, fmt::format("layer {} has no option {}", l, choice[l]));
  Evaluation out;
  const std::vector<TensorTrace> traces = traces_of(problem, choice);
  for (std::size_t t = 0; t < traces.size(); ++t)
    for (std::size_t w = 0; w < traces[t].writes.size(); ++w) {
      const bool last = w + 1 == traces[t].writes.size();
      account_write(problem, static_cast<int>(t), traces[t], traces[t].writes[w],
                    last ? problem.events : traces[t].writes[w + 1], out);
    }
  sum_up(problem, choice, out);
  return out;
}

bool within_limit(double sum, double limit) { return sum <= limit + 1e-9 * std::fabs(limit); }

std::string violated_limit(const Problem& problem, const Evaluation& evaluation) {
  if (!evaluation.allowed) return evaluation.why;
  if (evaluation.peak > problem.limits.bytes)
    return fmt::format("{} bytes at event {} exceed the limit of {}", evaluation.peak,
                       evaluation.peak_event, problem.limits.bytes);
  if (problem.limits.ms && !within_limit(evaluation.ms, *problem.limits.ms))
    return fmt::format("{} ms exceed the limit of {}", evaluation.ms, *problem.limits.ms);
  if (problem.limits.sensitivity &&
      !within_limit(evaluation.sensitivity, *problem.limits.sensitivity))
    return fmt::format("sensitivity {} exceeds the limit of {}", evaluation.sensitivity,
                       *problem.limits.sensitivity);
  return {};
}

double relative_gap(double objective, double bound) {
  return (objective - bound) / std::max(std::fabs(objective), 1e-300);
}

}  // namespace mpsearch
