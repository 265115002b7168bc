// Model: what an importer or a builder hands over: the forward graph and what is trained in it.
// Used by models/onnx, models/zoo (through ONNX), models/training.h and the commands.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "models/graph.h"

namespace mpsearch {

/// BatchNormalization whose statistics train: node and the State values of its running statistics.
struct RunningStatisticsOf {
  NodeId node = kNone;
  ValueId mean = kNone;
  ValueId variance = kNone;
  double momentum = 0.9;  // ONNX's: weight of the old value
};

/// A product's weight that the file keeps apart from the embedding whose elements it holds, perhaps
/// turned: only the embedding's table is a Parameter.
struct Tie {
  std::string table;
  std::string weight;
  bool turned = false;
};

/// A forward graph in canonical form (models/ops/README.md), layers grouped, F32 throughout.
/// A final Softmax or Sigmoid of an output is left out of the graph and remembered in
/// `final_activations`.
struct Model {
  std::string name;    // file name
  std::string sha256;  // of the file
  Graph graph;
  std::vector<RunningStatisticsOf> running_statistics;
  std::vector<Tie> ties;
  std::vector<std::string> final_activations;  // by output: "", "Softmax", "LogSoftmax", "Sigmoid"
  std::vector<std::string> output_names;       // by output, as in the file
  std::vector<std::string> notes;              // what the import changed or decided, one line each
  std::int64_t batch = 0;
  std::map<std::string, std::string> metadata;  // metadata_props of the file
};

}  // namespace mpsearch
