#include "search/solver/paths.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace mpsearch::solver {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

double Path::value(const Functional& f) const {
  double sum = f.ms * ms + f.sensitivity * sensitivity;
  for (const auto& [event, weight] : f.events) sum += weight * static_cast<double>(usage[event]);
  return sum;
}

Offsets::Offsets(const FrontierGraph& graph) {
  int signatures = 0;
  int cells = 0;
  int nodes = 0;
  std::size_t arcs = 0;
  for (const Step& step : graph.steps) {
    signature.push_back(signatures);
    cell.push_back(cells);
    node.push_back(nodes);
    arc.push_back(arcs);
    signatures += step.signatures;
    cells += step.rows * step.signatures;
    nodes += step.nodes;
    arcs += step.to.size();
  }
  signature.push_back(signatures);
  cell.push_back(cells);
  node.push_back(nodes);
  arc.push_back(arcs);
  for (const Item& item : graph.items) {
    item_ms.push_back(item.ms);
    item_sensitivity.push_back(item.sensitivity);
    item_steps.push_back(static_cast<int>(step_event.size()));
    for (const UsageStep& usage : item.steps) {
      step_event.push_back(usage.event);
      step_bytes.push_back(static_cast<double>(usage.bytes));
    }
  }
  item_steps.push_back(static_cast<int>(step_event.size()));
}

std::vector<char> all_options(const FrontierGraph& graph) {
  std::vector<char> options(graph.options, 0);
  for (const Step& step : graph.steps)
    for (std::size_t o = 0; o < step.own.size(); ++o)
      options[step.first_option + o] = static_cast<char>(step.signature_of[o] >= 0);
  return options;
}

View whole_view(const FrontierGraph& graph, std::vector<char> allowed) {
  View view{std::move(allowed), {}};
  for (const Step& step : graph.steps)
    view.to.insert(view.to.end(), step.to.begin(), step.to.end());
  return view;
}

Pricing::Pricing(const FrontierGraph& graph, const Offsets& offsets)
    : graph_(graph),
      offsets_(offsets),
      item_(graph.items.size()),
      own_(graph.options),
      cheapest_(offsets.signature.back()),
      cell_(offsets.cell.back()),
      to_end_(offsets.node.back() + 1) {}

void Pricing::price_items(const Functional& functional) {
  // An item's step at event e counts at every priced event from e on.
  std::vector<double> from(graph_.base.size() + 1, 0);
  for (const auto& [event, weight] : functional.events) from[event] += weight;
  for (std::size_t e = graph_.base.size(); e-- > 0;) from[e] += from[e + 1];
  for (std::size_t i = 0; i < item_.size(); ++i) {
    double price =
        functional.ms * offsets_.item_ms[i] + functional.sensitivity * offsets_.item_sensitivity[i];
    for (int s = offsets_.item_steps[i]; s < offsets_.item_steps[i + 1]; ++s)
      price += from[offsets_.step_event[s]] * offsets_.step_bytes[s];
    item_[i] = price;
  }
  start_ = functional.ms * graph_.start.ms + functional.sensitivity * graph_.start.sensitivity;
  for (const UsageStep& step : graph_.start.steps)
    start_ += from[step.event] * static_cast<double>(step.bytes);
  for (const auto& [event, weight] : functional.events)
    start_ += weight * static_cast<double>(graph_.base[event]);
}

void Pricing::price_cells(const View& view, bool least) {
  for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
    const Step& step = graph_.steps[k];
    double* const cheapest = cheapest_.data() + offsets_.signature[k];
    std::fill(cheapest, cheapest + step.signatures, least ? kInfinity : -kInfinity);
    for (std::size_t o = 0; o < step.own.size(); ++o) {
      const int option = step.first_option + static_cast<int>(o);
      own_[option] = item_[step.own[o]];
      if (view.allowed[option] == 0) continue;
      double& best = cheapest[step.signature_of[o]];
      best = least ? std::min(best, own_[option]) : std::max(best, own_[option]);
    }
    double* const cells = cell_.data() + offsets_.cell[k];
    const int count = step.rows * step.signatures;
    for (int c = 0; c < count; ++c) {
      double price = 0;
      for (int i = step.cell_start[c]; i < step.cell_start[c + 1]; ++i)
        price += item_[step.cell_items[i]];
      cells[c] = price;
    }
  }
}

void Pricing::price(const Functional& functional, const View& view) {
  price_items(functional);
  price_cells(view, true);
  to_end_[offsets_.node.back()] = 0;
  for (std::size_t k = graph_.steps.size(); k-- > 0;) {
    const Step& step = graph_.steps[k];
    const int* to = view.to.data() + offsets_.arc[k];
    const double* const cells = cell_.data() + offsets_.cell[k];
    const double* const cheapest = cheapest_.data() + offsets_.signature[k];
    const double* const after = to_end_.data() + offsets_.node[k + 1];
    double* const here = to_end_.data() + offsets_.node[k];
    for (int n = 0; n < step.nodes; ++n, to += step.signatures) {
      const double* const row = cells + step.row_of[n] * step.signatures;
      double best = kInfinity;
      for (int s = 0; s < step.signatures; ++s)
        if (to[s] >= 0) best = std::min(best, row[s] + cheapest[s] + after[to[s]]);
      here[n] = best;
    }
  }
  least_ = graph_.steps.front().nodes == 0 ? kInfinity : start_ + to_end_[0];
}

double Pricing::dearest(const Functional& functional, const View& view) {
  price_items(functional);
  price_cells(view, false);
  to_end_[offsets_.node.back()] = 0;
  for (std::size_t k = graph_.steps.size(); k-- > 0;) {
    const Step& step = graph_.steps[k];
    for (int n = 0; n < step.nodes; ++n) {
      double best = -kInfinity;
      for (int s = 0; s < step.signatures; ++s) {
        const int to = view.to[offsets_.arc[k] + static_cast<std::size_t>(n) * step.signatures + s];
        if (to < 0) continue;
        best = std::max(best, cell(static_cast<int>(k), step.row_of[n], s) +
                                  cheapest_[offsets_.signature[k] + s] +
                                  to_end_[offsets_.node[k + 1] + to]);
      }
      to_end_[offsets_.node[k] + n] = best;
    }
  }
  return graph_.steps.front().nodes == 0 ? -kInfinity : start_ + to_end_[0];
}

Path Pricing::path(const View& view) const {
  std::vector<int> choice = graph_.settled;
  int node = 0;
  for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
    const Step& step = graph_.steps[k];
    const int* const to =
        view.to.data() + offsets_.arc[k] + static_cast<std::size_t>(node) * step.signatures;
    double best = kInfinity;
    int taken = -1;
    for (std::size_t o = 0; o < step.own.size(); ++o) {
      const int s = step.signature_of[o];
      const int option = step.first_option + static_cast<int>(o);
      if (view.allowed[option] == 0 || to[s] < 0) continue;
      const double price = cell(static_cast<int>(k), step.row_of[node], s) + own_[option] +
                           to_end_[offsets_.node[k + 1] + to[s]];
      if (price >= best) continue;
      best = price;
      taken = static_cast<int>(o);
    }
    choice[step.layer] = taken;
    node = to[step.signature_of[taken]];
  }
  return path_of(graph_, std::move(choice));
}

void Pricing::price_from_start(const View& view) {
  from_start_.assign(to_end_.size(), kInfinity);
  if (graph_.steps.front().nodes > 0) from_start_[0] = start_;
  for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
    const Step& step = graph_.steps[k];
    const int* to = view.to.data() + offsets_.arc[k];
    const double* const cells = cell_.data() + offsets_.cell[k];
    const double* const cheapest = cheapest_.data() + offsets_.signature[k];
    double* const after = from_start_.data() + offsets_.node[k + 1];
    for (int n = 0; n < step.nodes; ++n, to += step.signatures) {
      const double before = from_start_[offsets_.node[k] + n];
      if (before == kInfinity) continue;
      const double* const row = cells + step.row_of[n] * step.signatures;
      for (int s = 0; s < step.signatures; ++s)
        if (to[s] >= 0) after[to[s]] = std::min(after[to[s]], before + row[s] + cheapest[s]);
    }
  }
}

int Pricing::strike(View& view, double most) {
  price_from_start(view);
  return strike(view, most, from_start_, to_end_);
}

int Pricing::strike(View& view, double most, const std::vector<double>& from_start,
                    const std::vector<double>& to_end) const {
  int struck = 0;
  std::vector<double> through;
  for (std::size_t k = 0; k < graph_.steps.size(); ++k) {
    const Step& step = graph_.steps[k];
    int* to = view.to.data() + offsets_.arc[k];
    const double* const cells = cell_.data() + offsets_.cell[k];
    const double* const cheapest = cheapest_.data() + offsets_.signature[k];
    const double* const after = to_end.data() + offsets_.node[k + 1];
    through.assign(step.signatures,
                   kInfinity);  // the cheapest path, but for the option's own price
    for (int n = 0; n < step.nodes; ++n, to += step.signatures) {
      const double before = from_start[offsets_.node[k] + n];
      const double* const row = cells + step.row_of[n] * step.signatures;
      for (int s = 0; s < step.signatures; ++s) {
        if (to[s] < 0) continue;
        const double shared = before + row[s] + after[to[s]];
        if (!(shared + cheapest[s] <= most))
          to[s] = -1;
        else
          through[s] = std::min(through[s], shared);
      }
    }
    for (std::size_t o = 0; o < step.own.size(); ++o) {
      const int option = step.first_option + static_cast<int>(o);
      if (view.allowed[option] == 0 || through[step.signature_of[o]] + own_[option] <= most)
        continue;
      view.allowed[option] = 0;
      ++struck;
    }
  }
  return struck;
}

Path path_of(const FrontierGraph& graph, std::vector<int> choice) {
  Path path;
  std::vector<std::int64_t> change(graph.base.size() + 1, 0);
  const auto add = [&](const Item& item) {
    path.ms += item.ms;
    path.sensitivity += item.sensitivity;
    for (const UsageStep& step : item.steps) change[step.event] += step.bytes;
  };
  add(graph.start);
  int node = 0;
  for (const Step& step : graph.steps) {
    const int option = choice[step.layer];
    const int signature = step.signature_of[option];
    const int cell = step.row_of[node] * step.signatures + signature;
    add(graph.items[step.own[option]]);
    for (int i = step.cell_start[cell]; i < step.cell_start[cell + 1]; ++i)
      add(graph.items[step.cell_items[i]]);
    node = step.to[static_cast<std::size_t>(node) * step.signatures + signature];
  }
  path.usage.resize(graph.base.size());
  std::int64_t held = 0;
  for (std::size_t e = 0; e < path.usage.size(); ++e) {
    held += change[e];
    path.usage[e] = graph.base[e] + held;
  }
  path.choice = std::move(choice);
  return path;
}

}  // namespace mpsearch::solver
