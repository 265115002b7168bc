// What the import knows of every name in the file, and the graph that grows from it. Internal to
// models/onnx: convert.cpp walks the nodes, op_map.cpp adds canonical ones.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "models/model.h"
#include "models/onnx/host_tensor.h"
#include "models/onnx/import.h"

namespace mpsearch {

/// What a name stands for: a value of the graph, a constant, an initializer that nobody has used
/// yet, or one seen through a node that only moves it. Known by shape alone where none of these.
struct Symbol {
  int type = 0;  // TensorProto::DataType
  Shape shape = {};
  bool shaped = false;  // whether `shape` is known
  ValueId value = kNone;
  std::shared_ptr<const HostTensor> constant = nullptr;
  const Initializer* initializer = nullptr;
  const onnx::NodeProto* mover = nullptr;  // Transpose, Reshape, ... of a weight
  int moves = 0;                           // movers between this and the weight
  bool unknown = false;                    // a result of what is not supported

  bool at_import() const {
    return constant != nullptr || initializer != nullptr || mover != nullptr;
  }
};

/// How a Reshape or Expand with a literal shape came out at the batch that the file was written
/// for.
struct LiteralShape {
  Shape from;
  Shape target;
  Shape result;
};
using LiteralShapes = std::map<std::string, LiteralShape>;  // by output name

/// --freeze and --train, and which initializers a file itself marks.
class TrainingRoles {
 public:
  TrainingRoles(const ModelFile& file, const ImportOptions& options);

  enum class Mark { None, Parameter, Buffer };
  Mark mark(const std::string& name) const;

  /// Whether an initializer trains, that its use would (or would not) train.
  bool trains(const std::string& name, bool by_use) const;

  /// Whether the file says that the exporter computed the initializer from a module's parameter.
  bool made_of_parameter(const std::string& name) const { return made_.contains(name); }

  /// Whether the file marks parameters at all.
  bool marked() const { return marked_; }

  /// Throws Usage where a pattern matches none of `names`.
  void require_matches(const std::vector<std::string>& names) const;

 private:
  const ImportOptions& options_;
  std::unordered_map<std::string, Mark> marks_;
  std::unordered_set<std::string> made_;
  bool marked_ = false;
};

/// Whether `name` matches `pattern`: '*' stands for any characters, '?' for one.
bool matches_pattern(std::string_view pattern, std::string_view name);

class Scope {
 public:
  Scope(const ModelFile& file, const ImportOptions& options, bool load_weights);

  const ModelFile& file;
  TrainingRoles roles;
  int opset;
  Model model;
  std::vector<int> origin;                 // node of model.graph -> node of the file, by index
  LiteralShapes literals;                  // recorded in this walk
  const LiteralShapes* written = nullptr;  // those at the file's own batch, where that is rewritten
  std::int64_t written_batch = 0;
  /// Sizes in the file, its batch first, that are others at the batch asked for.
  std::vector<std::int64_t> batches;
  void note_batches(const Shape& before, const Shape& now);
  std::int64_t dropouts = 0;
  std::map<std::string, std::int64_t> noted;  // notes that count: text with {} for the number

  Symbol& symbol(const std::string& name);  // created as unknown where there is none
  const Symbol* find(const std::string& name) const;
  void define(const std::string& name, Symbol symbol) { symbols_[name] = std::move(symbol); }
  void define_constant(const std::string& name, HostTensor tensor);
  void define_value(const std::string& name, ValueId value, int type);

  /// A float initializer that training may change: more than one element, or marked by the file.
  bool is_weight(const std::string& name) const;

  /// The initializer behind `name`, through what moves it.
  std::string root_of(const std::string& name);

  /// Whether the initializer behind `name` was computed by the exporter: PyTorch's mark no such one
  /// or call it onnx::OPERATOR_NUMBER.
  bool is_folded(const std::string& name);

  /// Whether all its elements are equal, in a file that marks its parameters and not this one.
  bool is_filled(const std::string& name);

  /// Initializers that train in one place and were taken for constants, moved, in another: known
  /// only when all nodes have been seen. `trained` tells them to another walk.
  std::set<std::string> half_trained();
  const std::set<std::string>* trained = nullptr;

  /// Whether the weight behind `name` looks like a mask: with elements that are infinite or huge,
  /// or made of zeros and ones, or of zeros and one number far below.
  bool is_mask(const std::string& name);

  /// The value of a name that depends on no input.
  const HostTensor& constant(const std::string& name);

  /// The name as a value of the graph. An initializer becomes a Parameter where `train` and nothing
  /// speaks against it, else a Constant.
  ValueId value(const std::string& name, bool train);
  /// A scalar of a formula.
  ValueId number(double number, const std::string& name) { return filled(number, {}, name); }
  /// A constant tensor of one number.
  ValueId filled(double number, const Shape& shape, const std::string& name);
  ValueId constant_tensor(const HostTensor& tensor, const std::string& name);
  /// Output `index` of the node that gives `first`.
  ValueId further_output(ValueId first, int index);
  /// Running statistics as State: those of an initializer, or under a name of their own, since a
  /// constant may be the start of several.
  ValueId state(const std::string& name, const std::string& own_name);

  /// Whether a value depends on a parameter.
  bool learned(ValueId value) const;

  ValueId emit(const std::string& name, std::string_view op, std::vector<ValueId> inputs,
               Attributes attributes, int node_index);

  std::string unique_name(const std::string& wish);

 private:
  void tie_weights();
  ValueId leaf(const Initializer& initializer, ValueKind kind);
  ValueId folded(const std::string& name);
  ValueId moved(const std::string& name, bool train);

  bool load_weights_;
  std::deque<onnx::NodeProto> ties_;  // movers from a table to the weight that is tied to it
  std::unordered_map<std::string, Symbol> symbols_;
  std::unordered_map<std::string, ValueId> leaves_;
  std::unordered_map<std::string, ValueId> folded_;
  std::unordered_set<std::string> names_;
  std::vector<bool> learned_;
};

}  // namespace mpsearch
