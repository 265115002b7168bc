// Reverse-mode differentiation on the graph: every gradient is built from ordinary nodes, so it
// runs on every backend. Gradient rules (models/ops) use GradientBuilder; models/training.h drives
// it.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "models/graph.h"

namespace mpsearch {

/// What a gradient rule sees. New nodes belong to the layer of the node under differentiation.
class GradientBuilder {
 public:
  /// `step_state` holds the loss scale, which the gradients of losses multiply by.
  explicit GradientBuilder(Graph& graph, ValueId step_state = kNone)
      : graph_(graph), step_state_(step_state) {
    mark_wanted();
  }

  Graph& graph() { return graph_; }
  ValueId step_state() const { return step_state_; }

  /// Gradient of an output of the node under differentiation, or kNone where nothing depends on it.
  ValueId gradient(ValueId of) const;

  /// Whether the gradient of this value is wanted (a trained parameter depends on it).
  bool wanted(ValueId value) const;

  /// Adds to the gradient of `of`; several contributions are summed by Sum2 nodes.
  void add(ValueId of, ValueId gradient);

  /// Adds to the gradient of `of` that of a slice of it, which the attributes of Slice describe.
  /// Slices that cover `of` one beside the other, as those of a split do, make one Concat.
  void add_slice(ValueId of, ValueId gradient, const Attributes& slice);

  /// Adds a backward node "NAME.SUFFIX" and returns its first output.
  ValueId node(const std::string& suffix, std::string_view op, std::vector<ValueId> inputs,
               Attributes attributes = {}, std::size_t outputs = 1);

  /// Output `index` of the node under differentiation, created where it did not exist.
  ValueId saved_output(std::size_t index);

  /// Told of a parameter and its gradient, to which nothing is added any more.
  using Complete = std::function<void(ValueId parameter, ValueId gradient)>;

  /// Runs the rule of every forward node in reverse order, starting from the gradients added so
  /// far. Nodes that `complete` adds follow the one that finished the gradient.
  void run(const Complete& complete = {});

 private:
  struct Slice {
    ValueId gradient;
    Attributes attributes;
  };

  static std::int64_t tiled_axis(const Shape& shape, std::vector<Slice>& slices);
  void mark_wanted();
  void differentiate(NodeId id);
  void join_slices(ValueId of);
  std::vector<std::vector<ValueId>> parameters_by_first_reader() const;

  Graph& graph_;
  ValueId step_state_;
  std::vector<bool> wanted_;
  std::unordered_map<ValueId, ValueId> gradients_;
  std::unordered_map<ValueId, std::vector<Slice>> slices_;  // not yet joined
  NodeId current_ = kNone;
  std::unordered_map<std::string, int> used_names_;
};

/// `gradient` of shape of y, summed and reshaped to the shape of `value` (numpy broadcasting).
ValueId reduce_to(GradientBuilder& builder, ValueId gradient, ValueId value);

}  // namespace mpsearch
