// Between a session and a checkpoint: everything that a run needs to go on. Used by `train`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/checkpoint.h"
#include "runtime/session.h"
#include "runtime/trainer.h"

namespace mpsearch {

/// A checkpoint's content that owns its tensors' bytes.
struct Snapshot {
  CheckpointData data;
  std::vector<Bytes> storage;
};

/// Parameters, moments, running statistics and step state as they are now, and where the run
/// stands. `plan_json` is the plan that the session obeys; empty: none.
Snapshot take_snapshot(const Session& session, const TrainProgress& progress, std::uint64_t seed,
                       std::string plan_json);

/// Bytes of the tensors of such a snapshot, before there is a session.
std::int64_t snapshot_bytes(const Graph& lowered);

/// Puts a checkpoint's content into the session; returns where the run stands. Under another
/// plan than the checkpoint's the loss scaler starts anew. Throws BadContent where the checkpoint
/// is of another model or optimizer, or was made with another seed.
TrainProgress restore_snapshot(Session& session, const CheckpointData& data, std::uint64_t seed,
                               const std::string& plan_json);

}  // namespace mpsearch
