#include "runtime/memory_plan.h"

#include <gtest/gtest.h>

#include "models/op.h"
#include "runtime/null/null_backend.h"
#include "runtime/prepared.h"
#include "tests/support/print.h"
#include "tests/support/small_nets.h"

namespace mpsearch {
namespace {

Prepared prepared_net(Precision precision) {
  const Model model = testing::residual_net(4);
  const NullBackend backend;
  return prepare(model, {}, std::vector<Precision>(model.graph.layers.size(), precision),
                 [&](const KernelCall& call) { return backend.candidates(call)[0]; });
}

class MemoryPlanIn : public ::testing::TestWithParam<Precision> {};

TEST_P(MemoryPlanIn, NoTwoBlocksThatLiveAtOnceOverlap) {
  const Prepared prepared = prepared_net(GetParam());
  const MemoryPlan& plan = prepared.training.memory;
  std::vector<Placement> blocks;
  for (const std::vector<Placement>* list : {&plan.values, &plan.workspaces}) {
    for (const Placement& place : *list) {
      if (place.offset >= 0 && place.bytes > 0 && place.last >= place.first)
        blocks.push_back(place);
    }
  }
  ASSERT_GT(blocks.size(), 50U);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(blocks[i].offset % kArenaAlignment, 0);
    EXPECT_LE(blocks[i].offset + blocks[i].bytes, plan.peak);
    for (std::size_t k = i + 1; k < blocks.size(); ++k) {
      const bool at_once = blocks[i].first <= blocks[k].last && blocks[k].first <= blocks[i].last;
      const bool overlap = blocks[i].offset < blocks[k].offset + blocks[k].bytes &&
                           blocks[k].offset < blocks[i].offset + blocks[i].bytes;
      ASSERT_FALSE(at_once && overlap) << i << " and " << k;
    }
  }
}

TEST_P(MemoryPlanIn, TheArenaIsHardlyHigherThanTheLiveBytes) {
  const MemoryPlan plan = prepared_net(GetParam()).training.memory;
  EXPECT_GE(plan.peak, plan.live_peak);
  EXPECT_LE(static_cast<double>(plan.peak), 1.02 * static_cast<double>(plan.live_peak));
}

TEST_P(MemoryPlanIn, ThePartsOfThePeakAddUpToIt) {
  const Prepared prepared = prepared_net(GetParam());
  const PeakParts parts = parts_at_peak(prepared.training.lowered.graph, prepared.training.memory);
  EXPECT_EQ(parts.parameters + parts.state + parts.copies + parts.gradients + parts.activations +
                parts.workspace + parts.inputs,
            prepared.training.memory.live_peak);
}

TEST_P(MemoryPlanIn, EvaluationFindsParametersWhereTrainingLeftThem) {
  const Prepared prepared = prepared_net(GetParam());
  const FixedOffsets offsets =
      persistent_offsets(prepared.training.lowered.graph, prepared.training.memory);
  const Graph& graph = prepared.evaluation.lowered.graph;
  int shared = 0;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].kind != ValueKind::Parameter) continue;
    EXPECT_EQ(prepared.evaluation.memory.values[i].offset, offsets.at(graph.values[i].name));
    ++shared;
  }
  EXPECT_GT(shared, 10);
}

INSTANTIATE_TEST_SUITE_P(EveryPrecision, MemoryPlanIn, ::testing::ValuesIn(kPrecisions),
                         [](const auto& test) { return std::string(name_of(test.param)); });

}  // namespace
}  // namespace mpsearch
