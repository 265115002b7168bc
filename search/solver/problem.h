// The optimiser's input and output: integers, doubles and strings, nothing of networks or devices.
// Semantics of every field: README.md of this folder. Used by the planner, the JSON reader, the
// engines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mpsearch {

/// What is minimised; ties go to the other one.
enum class Objective { Sensitivity, Ms };

/// `bytes` bounds every event; the other two bound sums and hold within 1e-9 relative.
struct ProblemLimits {
  std::int64_t bytes = 0;
  std::optional<double> ms;
  std::optional<double> sensitivity;
};

/// `bytes` at every event of the closed interval first..last.
struct ByteInterval {
  int first = 0;
  int last = 0;
  std::int64_t bytes = 0;
};

/// One form (dtype + layout) in which a tensor may exist.
struct ProblemForm {
  std::string name;
  std::int64_t bytes = 0;
};

/// A possible cast: forms are indices into the tensor's `forms`. Happens at max(write, event).
struct ProblemCast {
  int from = 0;
  int to = 0;
  int event = 0;
  double ms = 0;
};

/// The write of a tensor that no layer writes.
struct GivenWrite {
  int form = 0;
  int event = 0;
};

struct ProblemTensor {
  std::string name;
  std::vector<ProblemForm> forms;
  std::optional<GivenWrite> written;
  std::vector<ProblemCast> casts;
};

/// Writes or reads of one tensor in one form (index into that tensor's `forms`) at some events.
struct TensorAccess {
  int tensor = 0;
  int form = 0;
  std::vector<int> events;
};

struct ProblemOption {
  std::string name;
  double ms = 0;
  double sensitivity = 0;
  std::vector<ByteInterval> bytes;
  std::vector<TensorAccess> writes;  // more than one event: written again (recompute)
  std::vector<TensorAccess> reads;
};

struct ProblemLayer {
  std::string name;
  std::vector<ProblemOption> options;
};

/// Counts when layer a takes a_option and layer b takes b_option. Bytes may be negative here only.
struct PairTerm {
  int a_option = 0;
  int b_option = 0;
  double ms = 0;
  double sensitivity = 0;
  std::vector<ByteInterval> bytes;
};

struct ProblemPair {
  int a = 0;
  int b = 0;
  std::vector<PairTerm> terms;
};

struct Problem {
  Objective objective = Objective::Sensitivity;
  ProblemLimits limits;
  int events = 0;
  std::vector<std::int64_t> base;  // bytes at each event that no choice changes
  std::vector<ProblemTensor> tensors;
  std::vector<ProblemLayer> layers;
  std::vector<ProblemPair> pairs;
};

/// A price of the bytes held at one event, in units of the objective a byte.
struct EventPrice {
  int event = 0;
  double price = 0;
};

/// Lagrange multipliers on the limits, none negative, and the bound on the objective that they
/// prove for every choice within the limits: certificate.h checks it without an engine.
struct Certificate {
  std::vector<EventPrice> events;  // by event; those not named cost nothing
  double ms = 0;                   // of limits.ms
  double sensitivity = 0;          // of limits.sensitivity
  double bound = 0;
};

enum class SolveStatus { Optimal, Feasible, Infeasible, Unknown };

/// `choice` holds one option index per layer; empty unless Optimal or Feasible. `bound` never
/// exceeds the optimum of the objective; `gap` = (objective - bound) / |objective|, 0 when optimal.
struct Solution {
  SolveStatus status = SolveStatus::Unknown;
  std::vector<int> choice;
  double objective = 0;
  double bound = 0;
  double gap = 0;
  double ms = 0;
  double sensitivity = 0;
  std::int64_t peak_bytes = 0;
  int peak_event = 0;
  std::string solver;      // the engine that answered
  std::int64_t nodes = 0;  // effort, the same in every run
  bool interrupted = false;
  std::string failure;  // why the engine ended before its answer, where it did; mostly empty
  std::optional<Certificate> certificate;  // where SolveOptions::certify asked for it
};

/// "optimal", "feasible", "infeasible" or "unknown".
const char* name_of(SolveStatus status);

/// Throws BadContent with the place and the reason unless `problem` is well formed: indices and
/// events in range, bytes not negative, each tensor written by one layer or given, no use before a
/// write, no cast after a use that needs it, sums within 64 bits.
void validate(const Problem& problem);

}  // namespace mpsearch
