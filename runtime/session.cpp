#include "runtime/session.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "kernels/error.h"

namespace mpsearch {
namespace {

bool kept(const Value& value) {
  return value.kind == ValueKind::Parameter || value.kind == ValueKind::State;
}

std::size_t bytes_of(const Value& value) { return static_cast<std::size_t>(value.type.bytes()); }

}  // namespace

Session::Session(Prepared prepared, const Backend& backend)
    : prepared_(std::move(prepared)),
      backend_(backend),
      arena_(backend.allocate(prepared_.peak)),
      training_(compile(prepared_.training.lowered.graph, prepared_.training.memory, backend,
                        arena_.get())),
      evaluation_(compile(prepared_.evaluation.lowered.graph, prepared_.evaluation.memory, backend,
                          arena_.get())) {
  const Graph& graph = prepared_.training.lowered.graph;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (!kept(value) && value.kind != ValueKind::Constant) continue;
    std::byte* const to = place(prepared_.training, static_cast<ValueId>(i));
    if (!value.data) {
      require(value.kind == ValueKind::State, ErrorKind::Internal,
              "'" + value.name + "' has no initial content");
      clear(to, value.type.bytes());
      continue;
    }
    require(value.data->size() == bytes_of(value), ErrorKind::Internal,
            "'" + value.name + "' has initial content of another size");
    backend_.copy_to_device(to, value.data->data(), value.type.bytes());
  }
  for (PreparedGraph* one : {&prepared_.training, &prepared_.evaluation}) {
    one->step.graph.drop_contents();
    one->lowered.graph.drop_contents();
  }
  const auto updates = [&](NodeId id) { return graph.node(id).phase == Phase::Update; };
  update_ = static_cast<std::size_t>(std::ranges::find_if(training_.nodes, updates) -
                                     training_.nodes.begin());
  const StepGraph& step = prepared_.training.step;
  for (const ValueId id : step.data) inputs_.emplace_back(bytes_of(step.graph.value(id)));
  for (const ValueId id : step.targets) targets_.emplace_back(bytes_of(step.graph.value(id)));
}

void Session::clear(std::byte* device, std::int64_t bytes) {
  static constexpr std::array<std::byte, 65536> kZeros{};
  for (std::int64_t done = 0; done < bytes; done += std::ssize(kZeros)) {
    backend_.copy_to_device(device + done, kZeros.data(),
                            std::min<std::int64_t>(std::ssize(kZeros), bytes - done));
  }
}

std::byte* Session::place(const PreparedGraph& graph, ValueId lowered) const {
  const ValueId root = graph.lowered.graph.root(lowered);
  return arena_.get() + graph.memory.values[static_cast<std::size_t>(root)].offset;
}

const TensorType& Session::input_type(std::size_t index) const {
  const StepGraph& step = prepared_.training.step;
  return step.graph.value(step.data[index]).type;
}

const TensorType& Session::target_type(std::size_t index) const {
  const StepGraph& step = prepared_.training.step;
  return step.graph.value(step.targets[index]).type;
}

void Session::stage(const PreparedGraph& graph) {
  const auto copy = [&](ValueId step_value, const Bytes& content) {
    const ValueId lowered = graph.lowered_value(step_value);
    const auto& placement = graph.memory.values[static_cast<std::size_t>(lowered)];
    if (placement.offset < 0) return;  // an input that nothing reads
    backend_.copy_to_device(place(graph, lowered), content.data(),
                            static_cast<std::int64_t>(content.size()));
  };
  for (std::size_t i = 0; i < inputs_.size(); ++i) copy(graph.step.data[i], inputs_[i]);
  for (std::size_t i = 0; i < targets_.size(); ++i) copy(graph.step.targets[i], targets_[i]);
}

void Session::begin(StepInputs inputs, std::int64_t micro_batch) {
  stage(prepared_.training);
  inputs.attempt = inputs.attempt * static_cast<std::uint64_t>(micro_batches()) +
                   static_cast<std::uint64_t>(micro_batch);
  const ValueId id = prepared_.training.lowered_value(prepared_.training.step.step_inputs);
  backend_.copy_to_device(place(prepared_.training, id), &inputs, sizeof inputs);
}

StepState Session::state() const {
  StepState state;
  const ValueId id = prepared_.training.lowered_value(prepared_.training.step.step_state);
  backend_.copy_to_host(&state, place(prepared_.training, id), sizeof state);
  return state;
}

StepState Session::step(const StepInputs& inputs, const std::function<void(std::int64_t)>& stage) {
  const std::span<const BoundKernel> steps = training_.steps;
  for (std::int64_t micro_batch = 0; micro_batch < micro_batches(); ++micro_batch) {
    if (stage) stage(micro_batch);
    begin(inputs, micro_batch);
    const bool last = micro_batch + 1 == micro_batches();
    backend_.run(last ? steps : steps.first(update_));
    backend_.wait();
  }
  return state();
}

StepState Session::step_timed(const StepInputs& inputs, std::vector<double>& ms) {
  begin(inputs, micro_batches() - 1);
  ms = backend_.run_timed(training_.steps);
  return state();
}

float Session::read_scalar(const PreparedGraph& graph, ValueId step_value) const {
  float value = 0;
  if (step_value == kNone) return value;
  backend_.copy_to_host(&value, place(graph, graph.lowered_value(step_value)), sizeof value);
  return value;
}

BatchResult Session::result_of(const PreparedGraph& graph) const {
  return {read_scalar(graph, graph.step.loss), read_scalar(graph, graph.step.correct),
          read_scalar(graph, graph.step.count)};
}

BatchResult Session::training_result() const { return result_of(prepared_.training); }

BatchResult Session::evaluate() {
  stage(prepared_.evaluation);
  backend_.run(evaluation_.steps);
  backend_.wait();
  return result_of(prepared_.evaluation);
}

ValueId Session::persistent(const std::string& name) const {
  const std::vector<Value>& values = prepared_.training.lowered.graph.values;
  const auto found = std::ranges::find_if(
      values, [&](const Value& value) { return kept(value) && value.name == name; });
  require(found != values.end(), ErrorKind::Internal, "no parameter or state '" + name + "'");
  return static_cast<ValueId>(found - values.begin());
}

Bytes Session::read(const std::string& name) const { return read_value(persistent(name)); }

Bytes Session::read_value(ValueId lowered) const {
  const Value& value = prepared_.training.lowered.graph.value(lowered);
  Bytes content(bytes_of(value));
  backend_.copy_to_host(content.data(), place(prepared_.training, lowered), value.type.bytes());
  return content;
}

void Session::write(const std::string& name, std::span<const std::byte> content) {
  const ValueId id = persistent(name);
  require(content.size() == bytes_of(prepared_.training.lowered.graph.value(id)),
          ErrorKind::Internal, "'" + name + "' is written with another size than it has");
  backend_.copy_to_device(place(prepared_.training, id), content.data(),
                          static_cast<std::int64_t>(content.size()));
}

std::vector<std::string> Session::persistent_names() const {
  std::vector<std::string> names;
  for (const Value& value : prepared_.training.lowered.graph.values) {
    if (kept(value)) names.push_back(value.name);
  }
  return names;
}

std::int64_t Session::measured_peak() const {
  Bytes content(static_cast<std::size_t>(prepared_.peak));
  backend_.copy_to_host(content.data(), arena_.get(), prepared_.peak);
  auto used = content.size();
  while (used > 0 && content[used - 1] == std::byte{0xFF}) --used;
  return aligned(static_cast<std::int64_t>(used));
}

}  // namespace mpsearch
