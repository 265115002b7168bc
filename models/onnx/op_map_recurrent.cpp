// LSTM, GRU and RNN. A sequence has a fixed length in training, so each of its steps becomes nodes
// of its own; the product with the inputs is one for all steps.
#include <algorithm>

#include "kernels/error.h"
#include "models/onnx/op_map.h"

namespace mpsearch {
namespace {

using Int = std::int64_t;

enum Input : std::size_t { kX, kW, kR, kB, kLengths, kHidden, kCell, kPeepholes };

/// One recurrent node while it is unrolled. Shapes by ONNX's names: T steps, N sequences, D
/// directions, H hidden values, G gates.
class Recurrent {
 public:
  Recurrent(NodeCall& call, Int gates, std::vector<std::string> activations)
      : call_(call), gates_(gates), activations_(std::move(activations)) {
    check();
    read_activations();
    zeros_ = call.scope.filled(0, {sequences_, hidden_}, call.node.name() + ".zeros");
  }

  void run() {
    const ValueId x = batch_first_ ? swapped(call_.data(kX), "steps") : call_.data(kX);
    const ValueId rows = call_.view(x, {steps_ * sequences_, inputs_}, "rows");
    std::vector<std::vector<ValueId>> outputs;  // of each direction, of each step
    std::vector<ValueId> last_hidden, last_cell;
    for (direction_ = 0; direction_ < directions_; ++direction_) {
      begin(rows);
      std::vector<ValueId> states(static_cast<std::size_t>(steps_));
      for (Int i = 0; i < steps_; ++i) {
        step_ = backwards() ? steps_ - 1 - i : i;
        step(rows_of(product_, 0, step_ * sequences_, sequences_, "x"));
        states[static_cast<std::size_t>(step_)] = h_;
      }
      outputs.push_back(std::move(states));
      last_hidden.push_back(h_);
      last_cell.push_back(c_);
    }
    if (call_.uses_output(0)) all_steps(outputs);
    if (call_.uses_output(1)) call_.result(1, last_state(last_hidden, "last_hidden"));
    if (call_.uses_output(2)) call_.result(2, last_state(last_cell, "last_cell"));
  }

 private:
  const std::string& op() const { return call_.node.op_type(); }
  bool backwards() const { return all_backwards_ || direction_ == 1; }

  void check() {
    for (const std::size_t i : {kX, kW, kR}) {
      if (!onnx_is_float(call_.symbol(i).type)) call_.refuse("integer tensors as data");
      require(call_.rank(i) == 3, ErrorKind::BadContent,
              "its inputs have shape " + to_string(call_.shape(i)) + ", expected three dimensions");
    }
    batch_first_ = integer_of(call_.node, "layout", 0) != 0;
    const Shape& x = call_.shape(kX);
    const Shape& w = call_.shape(kW);
    const Shape& r = call_.shape(kR);
    steps_ = x[batch_first_ ? 1 : 0];
    sequences_ = x[batch_first_ ? 0 : 1];
    inputs_ = x[2];
    directions_ = w[0];
    hidden_ = r[2];
    const std::string direction = text_of(call_.node, "direction", "forward");
    all_backwards_ = direction == "reverse";
    const Shape of_x{direction == "bidirectional" ? 2 : 1, gates_ * hidden_, inputs_};
    const Shape of_h{of_x[0], gates_ * hidden_, hidden_};
    require(w == of_x && r == of_h && steps_ > 0, ErrorKind::BadContent,
            "weights of shapes " + to_string(w) + " and " + to_string(r) + " for inputs of shape " +
                to_string(x) + ", direction " + direction);
    if (find_attribute(call_.node, "clip") != nullptr) call_.refuse("clip");
    if (integer_of(call_.node, "input_forget", 0) != 0) call_.refuse("input_forget");
    if (!call_.has(kLengths)) return;
    const std::vector<Int>& lengths = call_.constant(kLengths).integers;
    const bool whole = std::ranges::all_of(lengths, [&](Int length) { return length == steps_; });
    if (!whole) call_.refuse("sequences of different lengths");
  }

  void read_activations() {
    const onnx::AttributeProto* given = find_attribute(call_.node, "activations");
    if (given == nullptr || given->strings_size() == 0) {
      const std::vector<std::string> once = activations_;
      if (directions_ == 2) activations_.insert(activations_.end(), once.begin(), once.end());
      return;
    }
    const std::size_t wanted = activations_.size() * static_cast<std::size_t>(directions_);
    activations_.assign(given->strings().begin(), given->strings().end());
    require(activations_.size() == wanted, ErrorKind::BadContent,
            "it has " + std::to_string(activations_.size()) + " activations, expected " +
                std::to_string(wanted));
    for (const std::string& name : activations_) {
      if (name != "Sigmoid" && name != "Tanh" && name != "Relu" && name != "Softsign" &&
          name != "Softplus") {
        call_.refuse("activation " + name);
      }
    }
  }

  /// Node names of the same part are told apart by direction and step.
  std::string label(const std::string& part) const {
    const std::string step = step_ < 0 ? "" : "t" + std::to_string(step_) + ".";
    return (backwards() ? "back." : "") + step + part;
  }

  ValueId emit(std::string_view op, std::vector<ValueId> inputs, const std::string& part,
               Attributes attributes = {}) {
    return call_.emit(op, std::move(inputs), std::move(attributes), label(part));
  }

  ValueId activation(std::size_t index, ValueId x, const std::string& part) {
    const std::size_t each = activations_.size() / static_cast<std::size_t>(directions_);
    return emit(activations_[static_cast<std::size_t>(direction_) * each + index], {x}, part);
  }

  ValueId swapped(ValueId value, const std::string& part) {
    const bool four = call_.scope.model.graph.value(value).type.shape.size() == 4;
    return emit("Transpose", {value}, part, {{"perm", four ? Shape{2, 0, 1, 3} : Shape{1, 0, 2}}});
  }

  /// `count` entries of a dimension.
  ValueId rows_of(ValueId value, std::size_t axis, Int begin, Int count, const std::string& part) {
    Shape shape = call_.scope.model.graph.value(value).type.shape;
    if (shape[axis] == count) return value;
    Shape starts(shape.size(), 0);
    starts[axis] = begin;
    shape[axis] = count;
    return emit("Slice", {value}, part,
                {{"starts", starts}, {"steps", Shape(shape.size(), 1)}, {"shape", shape}});
  }

  /// What belongs to this direction, without that dimension.
  ValueId own(ValueId value, std::size_t axis, const std::string& part) {
    const ValueId mine = rows_of(value, axis, direction_, 1, part);
    Shape shape = call_.scope.model.graph.value(mine).type.shape;
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
    return call_.view(mine, shape, label(part + "_view"));
  }

  ValueId gate(ValueId all, Int index, const std::string& part) {
    const std::size_t last = call_.scope.model.graph.value(all).type.shape.size() - 1;
    return rows_of(all, last, index * hidden_, hidden_, part);
  }

  ValueId initial(std::size_t input, const std::string& part) {
    if (!call_.has(input)) return zeros_;
    if (call_.symbol(input).at_import()) {
      const HostTensor& start = call_.constant(input);
      const bool zero = std::ranges::all_of(start.reals, [](double value) { return value == 0; });
      if (zero) return zeros_;
    }
    const ValueId state = own(call_.part(input), batch_first_ ? 1 : 0, part);
    const Shape& shape = call_.scope.model.graph.value(state).type.shape;
    require(shape == Shape{sequences_, hidden_}, ErrorKind::BadContent,
            "its initial state has shape " + to_string(shape) + " a direction");
    return state;
  }

  /// Weights, states and the product with all steps' inputs of a direction.
  void begin(ValueId rows) {
    step_ = -1;
    h_ = initial(kHidden, "hidden");
    c_ = op() == "LSTM" ? initial(kCell, "cell") : kNone;
    r_ = own(call_.weight(kR), 0, "r");
    peepholes_ = call_.has(kPeepholes) ? own(call_.weight(kPeepholes), 0, "peepholes") : kNone;
    std::vector<ValueId> operands{rows, own(call_.weight(kW), 0, "w")};
    r_bias_ = kNone;
    if (call_.has(kB)) {
      const ValueId both = own(call_.weight(kB), 0, "b");
      const ValueId of_x = rows_of(both, 0, 0, gates_ * hidden_, "b_x");
      const ValueId of_h = rows_of(both, 0, gates_ * hidden_, gates_ * hidden_, "b_h");
      if (reset_after()) r_bias_ = of_h;
      operands.push_back(reset_after() ? of_x : emit("Add", {of_x, of_h}, "bias"));
    }
    product_ = emit("MatMul", operands, "inputs", {{"transA", Int{0}}, {"transB", Int{1}}});
  }

  /// Whether a GRU's reset gate multiplies a product with its bias.
  bool reset_after() const {
    return op() == "GRU" && integer_of(call_.node, "linear_before_reset", 0) != 0;
  }

  ValueId recurrent(ValueId h, ValueId r, const std::string& part, ValueId bias = kNone) {
    std::vector<ValueId> operands{h, r};
    if (bias != kNone) operands.push_back(bias);
    return emit("MatMul", operands, part, {{"transA", Int{0}}, {"transB", Int{1}}});
  }

  void step(ValueId x) {
    if (op() == "LSTM") {
      lstm(x);
    } else if (op() == "GRU") {
      gru(x);
    } else {
      h_ = activation(0, emit("Add", {x, recurrent(h_, r_, "hidden")}, "sum"), "h");
    }
  }

  /// Gates in ONNX's order: input, output, forget, cell.
  void lstm(ValueId x) {
    const ValueId all = emit("Add", {x, recurrent(h_, r_, "hidden")}, "gates");
    const auto opened = [&](Int index, ValueId cell, const std::string& part) {
      ValueId sum = gate(all, index, part + "_sum");
      if (peepholes_ != kNone) {
        const ValueId weight = gate(peepholes_, index, part + "_peephole");
        sum = emit("Add", {sum, emit("Mul", {cell, weight}, part + "_peek")}, part + "_all");
      }
      return activation(0, sum, part);
    };
    const ValueId i = opened(0, c_, "input");
    const ValueId f = opened(2, c_, "forget");
    const ValueId next = activation(1, gate(all, 3, "cell_sum"), "cell_input");
    c_ = emit("Add", {emit("Mul", {f, c_}, "kept"), emit("Mul", {i, next}, "new")}, "c");
    h_ = emit("Mul", {opened(1, c_, "output"), activation(2, c_, "cell_output")}, "h");
  }

  /// Gates in ONNX's order: update, reset, hidden.
  void gru(ValueId x) {
    const bool after = reset_after();
    const Int of_h = after ? 3 : 2;
    const ValueId weights = rows_of(r_, 0, 0, of_h * hidden_, "r_gates");
    const ValueId all = recurrent(h_, weights, "hidden", r_bias_);
    const auto opened = [&](Int index, const std::string& part) {
      const ValueId sum =
          emit("Add", {gate(x, index, part + "_x"), gate(all, index, part + "_h")}, part + "_sum");
      return activation(0, sum, part);
    };
    const ValueId z = opened(0, "update");
    const ValueId r = opened(1, "reset");
    const ValueId proposed =
        after ? emit("Mul", {r, gate(all, 2, "new_h")}, "new_reset")
              : recurrent(emit("Mul", {r, h_}, "reset_h"),
                          rows_of(r_, 0, 2 * hidden_, hidden_, "r_new"), "new_h");
    const ValueId next =
        activation(1, emit("Add", {gate(x, 2, "new_x"), proposed}, "new_sum"), "new");
    const ValueId change = emit("Mul", {z, emit("Sub", {h_, next}, "apart")}, "kept");
    h_ = emit("Add", {next, change}, "h");
  }

  /// [T, D, N, H], or [N, T, D, H].
  void all_steps(const std::vector<std::vector<ValueId>>& outputs) {
    step_ = -1;
    std::vector<ValueId> parts;
    for (direction_ = 0; direction_ < directions_; ++direction_) {
      std::vector<ValueId> steps;
      for (const ValueId h : outputs[static_cast<std::size_t>(direction_)]) {
        steps.push_back(call_.view(h, {1, 1, sequences_, hidden_}, label("y_step")));
      }
      parts.push_back(joined(steps, 0, "y_direction"));
    }
    const ValueId y = joined(parts, 1, "y");
    call_.result(0, batch_first_ ? swapped(y, "y_batch_first") : y);
  }

  /// [D, N, H], or [N, D, H].
  ValueId last_state(const std::vector<ValueId>& states, const std::string& part) {
    std::vector<ValueId> parts;
    for (const ValueId state : states) {
      parts.push_back(call_.view(state, {1, sequences_, hidden_}, part + "_view"));
    }
    const ValueId all = joined(parts, 0, part);
    return batch_first_ ? swapped(all, part + "_batch_first") : all;
  }

  ValueId joined(const std::vector<ValueId>& parts, Int axis, const std::string& part) {
    return parts.size() == 1 ? parts[0] : emit("Concat", parts, part, {{"axis", axis}});
  }

  NodeCall& call_;
  Int gates_;
  std::vector<std::string> activations_;  // of a direction, then of the other
  bool batch_first_ = false;
  bool all_backwards_ = false;
  Int steps_ = 0, sequences_ = 0, inputs_ = 0, directions_ = 1, hidden_ = 0;
  ValueId zeros_ = kNone;

  // Of the direction and step that is being made.
  Int direction_ = 0, step_ = -1;
  ValueId product_ = kNone, r_ = kNone, r_bias_ = kNone, peepholes_ = kNone;
  ValueId h_ = kNone, c_ = kNone;
};

void lstm(NodeCall& call) { Recurrent(call, 4, {"Sigmoid", "Tanh", "Tanh"}).run(); }
void gru(NodeCall& call) { Recurrent(call, 3, {"Sigmoid", "Tanh"}).run(); }
void rnn(NodeCall& call) { Recurrent(call, 1, {"Tanh"}).run(); }

}  // namespace

std::vector<OpRow> recurrent_rows() {
  return {{"LSTM", 7, lstm}, {"GRU", 7, gru}, {"RNN", 7, rnn}};
}

}  // namespace mpsearch
