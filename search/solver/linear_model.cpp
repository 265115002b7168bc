#include "search/solver/linear_model.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The options of one layer that use a form of a tensor, with each option's uses.
struct Reader {
  int layer = 0;
  std::vector<std::pair<int, std::vector<int>>> uses;  // option, events
};

/// All options of the writer that write a tensor in the same form at the same events.
struct WriteClass {
  int layer = -1;  // -1: given
  int form = 0;
  std::vector<int> events;
  std::vector<int> options;
};

std::vector<int> sorted(std::vector<int> events) {
  std::sort(events.begin(), events.end());
  events.erase(std::unique(events.begin(), events.end()), events.end());
  return events;
}

class Builder {
 public:
  explicit Builder(const Problem& problem) : problem_(problem) { model_.base = problem.base; }

  LinearModel build(const std::vector<std::vector<Pick>>& forbidden) {
    add_options();
    for (std::size_t t = 0; t < problem_.tensors.size(); ++t) add_tensor(static_cast<int>(t));
    for (const ProblemPair& pair : problem_.pairs)
      for (const PairTerm& term : pair.terms) add_term(pair, term);
    for (const std::vector<Pick>& combination : forbidden) {
      Row& row = model_.rows.emplace_back();
      for (const Pick& pick : combination)
        row.entries.push_back({option_column(pick.layer, pick.option), 1});
      row.lower = -kInfinity;
      row.upper = static_cast<double>(combination.size()) - 1;
    }
    return std::move(model_);
  }

 private:
  int option_column(int layer, int option) const { return model_.first_option[layer] + option; }

  void add_options() {
    for (std::size_t l = 0; l < problem_.layers.size(); ++l) {
      model_.first_option.push_back(static_cast<int>(model_.columns.size()));
      Row one{{}, 1, 1};
      for (std::size_t o = 0; o < problem_.layers[l].options.size(); ++o) {
        const ProblemOption& option = problem_.layers[l].options[o];
        one.entries.push_back({static_cast<int>(model_.columns.size()), 1});
        model_.columns.push_back(
            {fmt::format("x{}_{}", l, o), true, option.ms, option.sensitivity, option.bytes});
      }
      model_.rows.push_back(std::move(one));
    }
    readers_.resize(problem_.tensors.size());
    classes_.resize(problem_.tensors.size());
    for (std::size_t t = 0; t < problem_.tensors.size(); ++t) {
      readers_[t].resize(problem_.tensors[t].forms.size());
      if (const auto& given = problem_.tensors[t].written)
        classes_[t].push_back({-1, given->form, {given->event}, {}});
    }
    for (std::size_t l = 0; l < problem_.layers.size(); ++l)
      for (std::size_t o = 0; o < problem_.layers[l].options.size(); ++o)
        collect_accesses(static_cast<int>(l), static_cast<int>(o));
  }

  void collect_accesses(int layer, int option) {
    for (const TensorAccess& read : problem_.layers[layer].options[option].reads) {
      std::vector<Reader>& readers = readers_[read.tensor][read.form];
      if (readers.empty() || readers.back().layer != layer) readers.push_back({layer, {}});
      auto& uses = readers.back().uses;
      if (uses.empty() || uses.back().first != option) uses.push_back({option, {}});
      std::vector<int>& events = uses.back().second;
      events.insert(events.end(), read.events.begin(), read.events.end());
    }
    std::map<int, std::pair<int, std::vector<int>>> writes;
    for (const TensorAccess& write : problem_.layers[layer].options[option].writes) {
      auto& [form, events] = writes[write.tensor];
      form = write.form;
      events.insert(events.end(), write.events.begin(), write.events.end());
    }
    for (auto& [tensor, write] : writes) {
      const std::vector<int> events = sorted(std::move(write.second));
      std::vector<WriteClass>& classes = classes_[tensor];
      auto same = std::find_if(classes.begin(), classes.end(), [&](const WriteClass& c) {
        return c.form == write.first && c.events == events;
      });
      if (same == classes.end())
        same = classes.insert(classes.end(), {layer, write.first, events, {}});
      same->options.push_back(option);
    }
  }

  void add_tensor(int t) {
    for (const WriteClass& written : classes_[t])
      for (std::size_t w = 0; w < written.events.size(); ++w) {
        const bool last = w + 1 == written.events.size();
        add_write(t, written, written.events[w], last ? problem_.events : written.events[w + 1]);
      }
  }

  /// The options of `reader` whose last use within from..until-1 is at `least` or later, as
  /// entries that are 1 in sum when such an option meets this write; with the constant to subtract.
  std::pair<std::vector<Entry>, double> demand(const WriteClass& written, const Reader& reader,
                                               int from, int until, int least) const {
    std::vector<Entry> entries;
    const bool own = reader.layer == written.layer;
    for (const auto& [option, events] : reader.uses) {
      if (own && std::count(written.options.begin(), written.options.end(), option) == 0) continue;
      if (last_use(events, from, until) >= std::max(least, from))
        entries.push_back({option_column(reader.layer, option), 1});
    }
    if (entries.empty() || own || written.layer < 0) return {entries, 0};
    for (const int option : written.options)
      entries.push_back({option_column(written.layer, option), 1});
    return {entries, 1};
  }

  static int last_use(const std::vector<int>& events, int from, int until) {
    int last = -1;
    for (const int event : events)
      if (event >= from && event < until) last = std::max(last, event);
    return last;
  }

  /// column >= demand, or demand = 0 when there is no column.
  void serve(int column, std::pair<std::vector<Entry>, double> demand) {
    if (demand.first.empty()) return;
    Row row{std::move(demand.first), -kInfinity, demand.second};
    if (column >= 0) row.entries.push_back({column, -1});
    model_.rows.push_back(std::move(row));
  }

  int add_column(std::string name, double ms, std::vector<ByteInterval> held) {
    model_.columns.push_back({std::move(name), false, ms, 0, std::move(held)});
    return static_cast<int>(model_.columns.size()) - 1;
  }

  void add_write(int t, const WriteClass& written, int from, int until) {
    const ProblemTensor& tensor = problem_.tensors[t];
    const std::int64_t bytes = tensor.forms[written.form].bytes;
    if (written.layer < 0) model_.base[from] += bytes;
    for (const int option : written.options)
      model_.columns[option_column(written.layer, option)].held.push_back({from, from, bytes});
    std::vector<std::pair<int, int>> casts;  // event, column
    for (int form = 0; form < static_cast<int>(tensor.forms.size()); ++form)
      if (form != written.form) add_cast(t, written, form, from, until, casts);
    add_steps(t, written, written.form, from, from, until, casts);
  }

  void add_cast(int t, const WriteClass& written, int form, int from, int until,
                std::vector<std::pair<int, int>>& casts) {
    const ProblemTensor& tensor = problem_.tensors[t];
    const std::vector<Reader>& readers = readers_[t][form];
    std::vector<Entry> users;
    for (const Reader& reader : readers)
      for (const auto& [option, events] : reader.uses)
        if (last_use(events, from, until) >= 0)
          users.push_back({option_column(reader.layer, option), -1});
    if (users.empty()) return;
    const auto cast = std::find_if(tensor.casts.begin(), tensor.casts.end(), [&](const auto& c) {
      return c.from == written.form && c.to == form;
    });
    if (cast == tensor.casts.end()) {
      for (const Reader& reader : readers) serve(-1, demand(written, reader, from, until, 0));
      return;
    }
    const int at = std::max(from, cast->event);
    const int column = add_column(fmt::format("z{}_{}_{}_{}", t, written.form, form, columns()),
                                  cast->ms, {{at, at, tensor.forms[form].bytes}});
    casts.push_back({at, column});
    for (const Reader& reader : readers) serve(column, demand(written, reader, from, until, 0));
    if (cast->ms < 0) {  // nothing else keeps it from being made for nobody
      users.push_back({column, 1});
      model_.rows.push_back({users, -kInfinity, 0});
      std::vector<Entry> writers = {{column, 1}};
      for (const int option : written.options)
        writers.push_back({option_column(written.layer, option), -1});
      model_.rows.push_back({std::move(writers), -kInfinity, written.layer < 0 ? 1.0 : 0.0});
    }
    add_steps(t, written, form, at, from, until, {});
  }

  /// One column for each stretch by which the copy of `form`, held from `start`, may be held
  /// longer.
  void add_steps(int t, const WriteClass& written, int form, int start, int from, int until,
                 const std::vector<std::pair<int, int>>& casts) {
    const std::int64_t bytes = problem_.tensors[t].forms[form].bytes;
    if (bytes == 0) return;
    std::vector<int> ends;
    for (const Reader& reader : readers_[t][form])
      for (const auto& [option, events] : reader.uses) {
        const int last = last_use(events, from, until);
        if (last > start) ends.push_back(last);
      }
    for (const auto& [at, column] : casts)
      if (at > start) ends.push_back(at);
    ends = sorted(std::move(ends));
    int previous = -1;
    int held_to = start;
    for (const int end : ends) {
      const int step = add_column(fmt::format("e{}_{}_{}_{}", t, written.form, form, columns()), 0,
                                  {{held_to + 1, end, bytes}});
      if (previous >= 0) model_.rows.push_back({{{previous, 1}, {step, -1}}, 0, kInfinity});
      for (const Reader& reader : readers_[t][form]) {
        const bool ends_here =
            std::any_of(reader.uses.begin(), reader.uses.end(),
                        [&](const auto& use) { return last_use(use.second, from, until) == end; });
        if (ends_here) serve(step, demand(written, reader, from, until, end));
      }
      for (const auto& [at, column] : casts)
        if (at == end) model_.rows.push_back({{{step, 1}, {column, -1}}, 0, kInfinity});
      previous = step;
      held_to = end;
    }
  }

  void add_term(const ProblemPair& pair, const PairTerm& term) {
    const int a = option_column(pair.a, term.a_option);
    const int b = option_column(pair.b, term.b_option);
    if (pair.a == pair.b) {
      if (a != b) return;
      Column& column = model_.columns[a];
      column.ms += term.ms;
      column.sensitivity += term.sensitivity;
      column.held.insert(column.held.end(), term.bytes.begin(), term.bytes.end());
      return;
    }
    const int both = add_column(fmt::format("p{}", columns()), term.ms, term.bytes);
    model_.columns[both].sensitivity = term.sensitivity;
    model_.rows.push_back({{{a, 1}, {b, 1}, {both, -1}}, -kInfinity, 1});
    model_.rows.push_back({{{a, 1}, {both, -1}}, 0, kInfinity});
    model_.rows.push_back({{{b, 1}, {both, -1}}, 0, kInfinity});
  }

  std::size_t columns() const { return model_.columns.size(); }

  const Problem& problem_;
  LinearModel model_;
  std::vector<std::vector<std::vector<Reader>>> readers_;  // of each tensor and form
  std::vector<std::vector<WriteClass>> classes_;           // of each tensor
};

}  // namespace

LinearModel linear_model(const Problem& problem, const std::vector<std::vector<Pick>>& forbidden) {
  return Builder(problem).build(forbidden);
}

std::vector<double> usage_of(const LinearModel& model, const std::vector<double>& values) {
  std::vector<double> change(model.base.size() + 1, 0);
  for (std::size_t c = 0; c < values.size(); ++c)
    for (const ByteInterval& held : model.columns[c].held) {
      change[held.first] += values[c] * static_cast<double>(held.bytes);
      change[held.last + 1] -= values[c] * static_cast<double>(held.bytes);
    }
  std::vector<double> usage(model.base.size());
  double held = 0;
  for (std::size_t e = 0; e < usage.size(); ++e) {
    held += change[e];
    usage[e] = static_cast<double>(model.base[e]) + held;
  }
  return usage;
}

std::vector<Entry> event_entries(const LinearModel& model, int event) {
  std::vector<Entry> entries;
  for (std::size_t c = 0; c < model.columns.size(); ++c) {
    std::int64_t bytes = 0;
    for (const ByteInterval& held : model.columns[c].held)
      if (held.first <= event && event <= held.last) bytes += held.bytes;
    if (bytes != 0) entries.push_back({static_cast<int>(c), static_cast<double>(bytes)});
  }
  return entries;
}

}  // namespace mpsearch::solver
