// The part of the graph that a node of branch and bound works on: what its options leave of the
// root's, made small where that pays.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "search/solver/grain.h"
#include "search/solver/node_solver.h"

namespace mpsearch::solver {
namespace {

/// A part is made smaller when less than this share of it is left.
constexpr double kShrinks = 0.6;

/// Of the first node's part so much must be gone for that.
constexpr double kShrinksAtRoot = 0.95;

}  // namespace

/// Goes on with only what view_ leaves of the part.
void NodeSolver::contract_part() {
  FrontierGraph graph = part_->graph;
  for (std::size_t k = 0; k < graph.steps.size(); ++k)
    std::copy_n(view_.to.begin() + static_cast<std::ptrdiff_t>(part_->offsets.arc[k]),
                graph.steps[k].to.size(), graph.steps[k].to.begin());
  contract(graph, view_.allowed);
  if (!task_.peak) round_base_up(graph, view_.allowed);
  use(std::make_shared<Part>(std::move(graph), view_.allowed, task_, patience_));
}

void NodeSolver::use(std::shared_ptr<Part> part) {
  part_ = std::move(part);
  view_ = part_->whole;
  row_bounds_.clear();
  ways_.reset();
}

/// What is known of the peak, and which bytes are still worth finding.
void NodeSolver::tell_part() {
  part_->task.bytes = task_.bytes;
  part_->task.low_peak = task_.low_peak;
  part_->task.high_peak = task_.high_peak;
}

/// The same with the node's state; false when nothing is left.
bool NodeSolver::shrink_to_view(SearchNode& node) {
  if (part_->share_of(view_) < kShrinksAtRoot * part_->share_of(part_->whole)) {
    const std::shared_ptr<Part> before = part_;
    before->number_as_problem(node.state);
    contract_part();
    part_->number_here(node.state, *before);
  }
  if (!bound_rows(node)) return false;
  return !std::isinf(part_->dual.evaluate(node.state.rows, node.state.multiplier, view_));
}

bool NodeSolver::worth_shrinking() const { return part_->share_of(view_) < kShrinks; }

/// Turns to a node: to what its options leave of the last node's part when it lies within that,
/// otherwise of the root's.
void NodeSolver::turn_to(SearchNode& node, bool within_last) {
  if (!within_last) {
    use(root_part_);
    tell_part();
    if (incumbent_goal_ != struck_at_ && !incumbent_.empty()) strike_root();
  }
  for (std::size_t o = 0; o < view_.allowed.size(); ++o)
    view_.allowed[o] = static_cast<char>(view_.allowed[o] & node.allowed[o]);
  if (worth_shrinking()) contract_part();
  part_->number_here(node.state);
}

/// Once the incumbent is better, less of the whole graph is worth looking at.
void NodeSolver::strike_root() {
  struck_at_ = incumbent_goal_;
  DualState state = root_state_;
  part_->number_here(state);
  const double bound = part_->dual.evaluate(state.rows, state.multiplier, view_);
  if (std::isinf(bound)) return;
  part_->dual.pricing().strike(view_, tie() + part_->dual.rounding(state, bound) +
                                          part_->dual.constant(state.rows, state.multiplier));
  if (worth_shrinking())
    contract_part();
  else
    part_->whole = view_;
  root_part_ = part_;
}

/// The base takes the bytes of the limit that no choice can use up: bounds are better for it.
void NodeSolver::round_base_up(FrontierGraph& graph, const std::vector<char>& allowed) const {
  const Grains grains = grains_of(graph, allowed);
  for (std::size_t e = 0; e < graph.base.size(); ++e) {
    if (grains.grain[e] == 0) continue;
    const std::int64_t unused = (task_.bytes - grains.some[e]) % grains.grain[e];
    graph.base[e] += unused < 0 ? unused + grains.grain[e] : unused;
  }
}

}  // namespace mpsearch::solver
