#include "search/solver/label_search.h"

#include <algorithm>
#include <atomic>
#include <limits>
#include <utility>

#include "search/solver/labels.h"

namespace mpsearch::solver {
namespace {

constexpr std::size_t kMostFinished = 8;

/// The finished labels of least goal as paths.
std::vector<Path> finished(const LabelTask& task, const LabelPass& pass) {
  const Labels& labels = pass.labels();
  std::vector<int> order(labels.size());
  for (std::size_t l = 0; l < order.size(); ++l) order[l] = static_cast<int>(l);
  // When the peak is minimised the goal is always 0, and the one class left tells.
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return labels.of(a)[0] != labels.of(b)[0] ? labels.of(a)[0] < labels.of(b)[0]
                                              : labels.of(a)[1] < labels.of(b)[1];
  });
  order.resize(std::min(order.size(), kMostFinished));
  std::vector<Path> paths;
  for (const int label : order) {
    std::vector<int> choice = task.graph.settled;
    pass.trace(label, choice);
    paths.push_back(path_of(task.graph, std::move(choice)));
  }
  return paths;
}

}  // namespace

LabelResult label_search(const LabelTask& task, double stop, const LabelEffort& effort) {
  LabelPass pass(task, task.classes, true, stop);
  std::atomic<bool> gave_up = false;
  pass.run(task.graph.steps.size(), effort, gave_up);
  if (gave_up) return {};
  LabelResult result{pass.complete(), pass.least_pruned(), finished(task, pass)};
  if (result.found.empty()) return result;
  const double best = task.task.goal_of(result.found.front());
  result.least_other = std::min(result.least_other, best + pass.least_lead());
  if (result.found.size() > 1)
    result.least_other = std::min(result.least_other, task.task.goal_of(result.found[1]));
  return result;
}

}  // namespace mpsearch::solver
