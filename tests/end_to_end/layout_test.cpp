#include <gtest/gtest.h>

#include "models/lower.h"
#include "models/op.h"
#include "models/training.h"
#include "runtime/backend.h"
#include "tests/support/small_nets.h"

namespace mpsearch {
namespace {

/// A mask written in one layout is read in it, though the gradient comes in another: bits are never
/// reordered.
TEST(Layouts, EveryCallOfAStepHasAKernelWhereImagesAreMadeOfRows) {
  const StepGraph step = training_graph(testing::generator_net(4), {});
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  const std::vector<Layout> layouts = assign_layouts(step.graph);
  for (const Event& event : schedule_of(step.graph, layouts)) {
    const std::span<const Precision> all = event.node == kNone
                                               ? std::span<const Precision>(kPrecisions).first(1)
                                               : allowed_of(step.graph, event.node);
    for (const Precision precision : all) {
      const KernelCall call = event.node == kNone
                                  ? cast_call(step.graph, event.copy, event.from)
                                  : call_under(step.graph, event.node, precision, layouts);
      EXPECT_FALSE(backend->candidates(call).empty()) << key_of(call);
    }
  }
}

}  // namespace
}  // namespace mpsearch
