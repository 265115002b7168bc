#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "kernels/error.h"
#include "search/solver/problem.h"

namespace mpsearch {
namespace {

[[noreturn]] void fail(std::string at, std::string why) {
  throw Error(ErrorKind::BadContent, ErrorText{.what = "the problem is malformed",
                                               .at = std::move(at),
                                               .why = std::move(why),
                                               .try_ = {}});
}

void check_index(int index, std::size_t size, const std::string& at, const char* noun) {
  if (index < 0 || static_cast<std::size_t>(index) >= size)
    fail(at, fmt::format("there is no {} {}: they are numbered 0 to {}", noun, index,
                         static_cast<long long>(size) - 1));
}

void check_finite(double value, const std::string& at) {
  if (!std::isfinite(value)) fail(at, "it must be a finite number");
}

void check_event(const Problem& problem, int event, const std::string& at) {
  if (event < 0 || event >= problem.events)
    fail(at, fmt::format("event {} is outside 0 to {}", event, problem.events - 1));
}

void check_intervals(const Problem& problem, const std::vector<ByteInterval>& intervals,
                     bool may_be_negative, const std::string& at) {
  for (std::size_t i = 0; i < intervals.size(); ++i) {
    const std::string here = fmt::format("{}.bytes[{}]", at, i);
    check_event(problem, intervals[i].first, here);
    check_event(problem, intervals[i].last, here);
    if (intervals[i].first > intervals[i].last)
      fail(here, fmt::format("the interval ends at {}, before it begins at {}", intervals[i].last,
                             intervals[i].first));
    if (intervals[i].bytes < 0 && !may_be_negative)
      fail(here, "bytes are negative: only pair terms may have negative bytes");
  }
}

void check_tensor(const Problem& problem, const ProblemTensor& tensor, const std::string& at) {
  if (tensor.forms.empty()) fail(at + ".bytes", "the tensor has no form");
  std::set<std::string> names;
  for (const ProblemForm& form : tensor.forms) {
    if (!names.insert(form.name).second) fail(at + ".bytes", "form " + form.name + " occurs twice");
    if (form.bytes < 0) fail(at + ".bytes." + form.name, "bytes are negative");
  }
  if (tensor.written) {
    check_index(tensor.written->form, tensor.forms.size(), at + ".written", "form");
    check_event(problem, tensor.written->event, at + ".written");
  }
  std::set<std::pair<int, int>> seen;
  for (std::size_t c = 0; c < tensor.casts.size(); ++c) {
    const ProblemCast& cast = tensor.casts[c];
    const std::string here = fmt::format("{}.casts[{}]", at, c);
    check_index(cast.from, tensor.forms.size(), here, "form");
    check_index(cast.to, tensor.forms.size(), here, "form");
    check_event(problem, cast.event, here);
    check_finite(cast.ms, here + ".ms");
    if (!seen.emplace(cast.from, cast.to).second)
      fail(here, fmt::format("a second cast from {} to {}", tensor.forms[cast.from].name,
                             tensor.forms[cast.to].name));
  }
}

void check_access(const Problem& problem, const TensorAccess& access, const std::string& at) {
  check_index(access.tensor, problem.tensors.size(), at, "tensor");
  check_index(access.form, problem.tensors[access.tensor].forms.size(), at, "form");
  if (access.events.empty()) fail(at, "it names no event");
  for (const int event : access.events) check_event(problem, event, at);
}

void check_option(const Problem& problem, const ProblemOption& option, const std::string& at) {
  check_finite(option.ms, at + ".ms");
  check_finite(option.sensitivity, at + ".sensitivity");
  check_intervals(problem, option.bytes, false, at);
  for (std::size_t i = 0; i < option.writes.size(); ++i) {
    check_access(problem, option.writes[i], fmt::format("{}.writes[{}]", at, i));
    for (std::size_t j = 0; j < i; ++j)
      if (option.writes[j].tensor == option.writes[i].tensor &&
          option.writes[j].form != option.writes[i].form)
        fail(fmt::format("{}.writes[{}]", at, i),
             fmt::format("tensor {} is written in two forms", option.writes[i].tensor));
  }
  for (std::size_t i = 0; i < option.reads.size(); ++i)
    check_access(problem, option.reads[i], fmt::format("{}.reads[{}]", at, i));
}

void check_pair(const Problem& problem, const ProblemPair& pair, const std::string& at) {
  check_index(pair.a, problem.layers.size(), at + ".a", "layer");
  check_index(pair.b, problem.layers.size(), at + ".b", "layer");
  for (std::size_t t = 0; t < pair.terms.size(); ++t) {
    const PairTerm& term = pair.terms[t];
    const std::string here = fmt::format("{}.terms[{}]", at, t);
    check_index(term.a_option, problem.layers[pair.a].options.size(), here + ".a_option", "option");
    check_index(term.b_option, problem.layers[pair.b].options.size(), here + ".b_option", "option");
    check_finite(term.ms, here + ".ms");
    check_finite(term.sensitivity, here + ".sensitivity");
    check_intervals(problem, term.bytes, true, here);
  }
}

/// One way in which a tensor comes to be: by an option of its writer, or given (layer = -1).
struct Writing {
  int layer = -1;
  int option = -1;
  int form = 0;
  int first = 0;
};

/// Who writes each tensor; fails unless every option of exactly one layer does, or it is given.
std::vector<std::vector<Writing>> writings_of(const Problem& problem) {
  std::vector<std::vector<Writing>> writings(problem.tensors.size());
  for (std::size_t t = 0; t < problem.tensors.size(); ++t)
    if (const auto& given = problem.tensors[t].written)
      writings[t].push_back({-1, -1, given->form, given->event});
  for (std::size_t l = 0; l < problem.layers.size(); ++l)
    for (std::size_t o = 0; o < problem.layers[l].options.size(); ++o)
      for (const TensorAccess& write : problem.layers[l].options[o].writes) {
        std::vector<Writing>& known = writings[write.tensor];
        const int first = *std::min_element(write.events.begin(), write.events.end());
        const int layer = static_cast<int>(l);
        const int option = static_cast<int>(o);
        if (!known.empty() && known.front().layer != layer)
          fail(fmt::format("layers[{}].options[{}]", l, o),
               known.front().layer < 0
                   ? fmt::format("tensor {} is given, so no layer may write it", write.tensor)
                   : fmt::format("tensor {} is already written by layer {}", write.tensor,
                                 known.front().layer));
        if (!known.empty() && known.back().option == option)
          known.back().first = std::min(known.back().first, first);
        else
          known.push_back({layer, option, write.form, first});
      }
  for (std::size_t t = 0; t < writings.size(); ++t) {
    if (writings[t].empty())
      fail(fmt::format("tensors[{}]", t), "no layer writes it and it is not given");
    const int layer = writings[t].front().layer;
    if (layer >= 0 && writings[t].size() != problem.layers[layer].options.size())
      fail(fmt::format("layers[{}]", layer),
           fmt::format("only {} of its {} options write tensor {}: every option must",
                       writings[t].size(), problem.layers[layer].options.size(), t));
  }
  return writings;
}

void check_use(const ProblemTensor& tensor, int tensor_index, const Writing& writing, int form,
               int event, const std::string& at) {
  if (event < writing.first)
    fail(at, fmt::format("it uses tensor {} at event {}, before {} writes it at event {}",
                         tensor_index, event,
                         writing.layer < 0
                             ? std::string("the given write")
                             : fmt::format("layers[{}].options[{}]", writing.layer, writing.option),
                         writing.first));
  if (form == writing.form) return;
  for (const ProblemCast& cast : tensor.casts)
    if (cast.from == writing.form && cast.to == form && cast.event > event)
      fail(at, fmt::format("it uses tensor {} as {} at event {}, but that cast from {} happens at "
                           "event {}, later",
                           tensor_index, tensor.forms[form].name, event,
                           tensor.forms[writing.form].name, cast.event));
}

void check_order(const Problem& problem) {
  const std::vector<std::vector<Writing>> writings = writings_of(problem);
  for (std::size_t l = 0; l < problem.layers.size(); ++l)
    for (std::size_t o = 0; o < problem.layers[l].options.size(); ++o)
      for (std::size_t r = 0; r < problem.layers[l].options[o].reads.size(); ++r) {
        const TensorAccess& read = problem.layers[l].options[o].reads[r];
        const int first = *std::min_element(read.events.begin(), read.events.end());
        for (const Writing& writing : writings[read.tensor])
          if (writing.layer != static_cast<int>(l) || writing.option == static_cast<int>(o))
            check_use(problem.tensors[read.tensor], read.tensor, writing, read.form, first,
                      fmt::format("layers[{}].options[{}].reads[{}]", l, o, r));
      }
}

/// Adds magnitudes; whatever is summed in any order then stays within 64 bits.
class Magnitude {
 public:
  void add(std::int64_t bytes) {
    const std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const std::int64_t size = bytes == std::numeric_limits<std::int64_t>::min() ? most
                              : bytes < 0                                       ? -bytes
                                                                                : bytes;
    sum_ = sum_ > most - size ? most : sum_ + size;
  }
  void add(const std::vector<ByteInterval>& intervals) {
    for (const ByteInterval& interval : intervals) add(interval.bytes);
  }
  std::int64_t sum() const { return sum_; }

 private:
  std::int64_t sum_ = 0;
};

void check_sums(const Problem& problem) {
  Magnitude total;
  double ms = 0;
  double sensitivity = 0;
  std::int64_t base = 0;
  for (const std::int64_t bytes : problem.base) base = std::max(base, bytes);
  total.add(base);
  for (const ProblemLayer& layer : problem.layers) {
    std::int64_t largest = 0;
    for (const ProblemOption& option : layer.options) {
      Magnitude own;
      own.add(option.bytes);
      largest = std::max(largest, own.sum());
      ms += std::fabs(option.ms);
      sensitivity += std::fabs(option.sensitivity);
    }
    total.add(largest);
  }
  for (const ProblemTensor& tensor : problem.tensors) {
    for (const ProblemForm& form : tensor.forms) total.add(form.bytes);
    for (const ProblemCast& cast : tensor.casts) ms += std::fabs(cast.ms);
  }
  for (const ProblemPair& pair : problem.pairs)
    for (const PairTerm& term : pair.terms) {
      total.add(term.bytes);
      ms += std::fabs(term.ms);
      sensitivity += std::fabs(term.sensitivity);
    }
  if (total.sum() == std::numeric_limits<std::int64_t>::max())
    fail("bytes", "their sum overflows 64 bits");
  if (!std::isfinite(ms)) fail("ms", "their sum overflows");
  if (!std::isfinite(sensitivity)) fail("sensitivity", "their sum overflows");
}

}  // namespace

const char* name_of(SolveStatus status) {
  switch (status) {
    case SolveStatus::Optimal:
      return "optimal";
    case SolveStatus::Feasible:
      return "feasible";
    case SolveStatus::Infeasible:
      return "infeasible";
    case SolveStatus::Unknown:
      break;
  }
  return "unknown";
}

void validate(const Problem& problem) {
  if (problem.events < 1) fail("events", "a problem has at least one event");
  if (problem.base.size() != static_cast<std::size_t>(problem.events))
    fail("base",
         fmt::format("it has {} entries for {} events", problem.base.size(), problem.events));
  for (std::size_t e = 0; e < problem.base.size(); ++e)
    if (problem.base[e] < 0) fail(fmt::format("base[{}]", e), "bytes are negative");
  if (problem.limits.bytes < 0) fail("limits.bytes", "bytes are negative");
  if (problem.limits.ms) check_finite(*problem.limits.ms, "limits.ms");
  if (problem.limits.sensitivity) check_finite(*problem.limits.sensitivity, "limits.sensitivity");
  if (problem.layers.empty()) fail("layers", "a problem has at least one layer");
  for (std::size_t t = 0; t < problem.tensors.size(); ++t)
    check_tensor(problem, problem.tensors[t], fmt::format("tensors[{}]", t));
  for (std::size_t l = 0; l < problem.layers.size(); ++l) {
    if (problem.layers[l].options.empty())
      fail(fmt::format("layers[{}].options", l), "a layer has at least one option");
    for (std::size_t o = 0; o < problem.layers[l].options.size(); ++o)
      check_option(problem, problem.layers[l].options[o],
                   fmt::format("layers[{}].options[{}]", l, o));
  }
  for (std::size_t p = 0; p < problem.pairs.size(); ++p)
    check_pair(problem, problem.pairs[p], fmt::format("pairs[{}]", p));
  check_order(problem);
  check_sums(problem);
}

}  // namespace mpsearch
