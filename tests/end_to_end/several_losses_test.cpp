// Scores of a model whose losses are added up: the losses are layers of the step's graph that the
// model does not have.
#include <gtest/gtest.h>

#include <string>

#include "models/onnx/import.h"
#include "runtime/dataset.h"
#include "search/planner.h"

namespace mpsearch {
namespace {

TEST(SeveralLosses, ScoresAreThoseOfTheModelsLayers) {
  const std::string file =
      std::string(MPSEARCH_SOURCE_DIR) + "/tests/reference/exports/vae-default.onnx";
  PlanRequest request;
  request.training.losses = {{"image", LossKind::MeanSquaredError, 1},
                             {"divergence", LossKind::MeanSquaredError, 0.25}};
  request.effort = "fast";
  DataRequest data;
  data.inputs = {{"x", DType::F32, {20}, 0}, {"noise", DType::F32, {4}, 0}};
  data.targets = {{"image", DType::F32, {20}, 0}, {"divergence", DType::F32, {1}, 0}};
  ImportOptions options;
  for (const OutputLoss& loss : request.training.losses) options.outputs.push_back(loss.output);
  const auto backend = make_backend("cpu", 1);
  const Profiled profiled = profile_model(import_model(file, options), request, *backend,
                                          open_data("synthetic", data).train);
  const auto layers = static_cast<LayerId>(profiled.model.graph.layers.size());
  EXPECT_GT(profiled.sensitivity.scores.size(), profiled.model.graph.layers.size());
  for (const auto& [key, score] : profiled.sensitivity.scores) EXPECT_LT(key.first, layers);
}

}  // namespace
}  // namespace mpsearch
