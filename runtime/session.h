// Session: a prepared model on a device: arena, compiled steps, and the host's side of a step.
// Used by trainer, evaluation, benchmarks and profiles.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/step_state.h"
#include "runtime/backend.h"
#include "runtime/executable.h"
#include "runtime/prepared.h"

namespace mpsearch {

/// What a forward pass over one batch found. `correct` and `count` are 0 for regression.
struct BatchResult {
  float loss = 0;
  float correct = 0;
  float count = 0;
};

class Session {
 public:
  /// Allocates the arena, moves the initial content of parameters and state there and binds every
  /// step. `backend` outlives the session. Throws OutOfMemory, Unavailable.
  Session(Prepared prepared, const Backend& backend);

  const Prepared& prepared() const { return prepared_; }
  const Executable& training() const { return training_; }

  /// Host staging of one batch: a model's input, or the target of a loss. Row-major, the value's
  /// dtype.
  std::span<std::byte> input(std::size_t index) { return inputs_[index]; }
  std::span<std::byte> target(std::size_t index = 0) { return targets_[index]; }
  const TensorType& input_type(std::size_t index) const;
  const TensorType& target_type(std::size_t index = 0) const;
  std::size_t targets() const { return targets_.size(); }
  /// Batches of the inputs' size in a training step.
  std::int64_t micro_batches() const { return prepared_.training.step.micro_batches; }

  /// One training step: every micro-batch forward and backward, then the update. `stage`, where it
  /// is given, stages micro-batch 0, 1, ... before it runs; else the staged batch serves for all.
  StepState step(const StepInputs& inputs, const std::function<void(std::int64_t)>& stage = {});
  /// A step's last micro-batch and its update, with the milliseconds of every step of training().
  StepState step_timed(const StepInputs& inputs, std::vector<double>& ms);
  /// What the step before left; the initial state where there was none.
  StepState state() const;
  /// Loss and hits of the step before, on its own batches.
  BatchResult training_result() const;
  /// Forward pass on the staged batch with running statistics; changes no parameter.
  BatchResult evaluate();

  /// Content of a parameter or state value. Throws Internal where there is no such value.
  Bytes read(const std::string& name) const;
  void write(const std::string& name, std::span<const std::byte> content);
  /// Names of all parameters and state values, in the graph's order.
  std::vector<std::string> persistent_names() const;

  /// Content of any lowered training value, as it lies in the arena now: after a step meaningful
  /// for values that are kept to the end.
  Bytes read_value(ValueId lowered) const;

  /// Highest arena byte that was ever written, rounded up to the arena's alignment: the arena
  /// starts as 0xFF, so this is measured, not planned.
  std::int64_t measured_peak() const;

 private:
  std::byte* place(const PreparedGraph& graph, ValueId lowered) const;
  void clear(std::byte* device, std::int64_t bytes);
  void stage(const PreparedGraph& graph);
  ValueId persistent(const std::string& name) const;
  BatchResult result_of(const PreparedGraph& graph) const;
  float read_scalar(const PreparedGraph& graph, ValueId step_value) const;
  void begin(StepInputs inputs, std::int64_t micro_batch);

  Prepared prepared_;
  const Backend& backend_;
  std::shared_ptr<std::byte> arena_;
  Executable training_;
  std::size_t update_ = 0;  // first step of training_ that runs once a training step only
  Executable evaluation_;
  std::vector<Bytes> inputs_;
  std::vector<Bytes> targets_;
};

}  // namespace mpsearch
