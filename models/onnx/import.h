// From an ONNX file to a Model, and what a file holds without importing it. Used by the commands.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/model.h"

namespace mpsearch {

struct ImportOptions {
  std::int64_t batch = 0;                               // 0: the file's fixed one, else 32
  std::vector<std::pair<std::string, Shape>> inputs{};  // --input NAME=SHAPE
  std::vector<std::string> freeze{};                    // patterns of parameters not to train
  std::vector<std::string> train{};                     // patterns of constants to train
  /// Outputs to keep, with what leads to them; "" stands for the first one. Empty: all.
  std::vector<std::string> outputs{};
};

/// An operator of the file that cannot be trained.
struct Unsupported {
  std::string op;  // "GRU", or "domain.Name"
  std::int64_t count = 0;
  std::string first_node;
  std::string why;
};

/// The forward graph with its parameters, layers grouped. Throws Missing, InputOutput, BadContent
/// (a damaged or contradictory file, unsupported operators: all of them at once) or Usage (an
/// option that fits nothing in the file, with the nearest names).
Model import_model(const std::filesystem::path& path, const ImportOptions& options = {});

/// An operator that import knows, and the first opset in which it does.
struct KnownOperator {
  std::string op;
  int since = 1;
};

/// All of them, by name.
std::vector<KnownOperator> known_operators();

struct NamedShape {
  std::string name;
  std::string dtype;               // ONNX's, "FLOAT"
  std::vector<std::string> shape;  // sizes or symbols, "?" where unknown
};

/// A layer of the forward graph: the unit that gets a precision.
struct LayerSummary {
  std::string name;
  std::string op;
  Shape output;                 // of its last node
  std::int64_t parameters = 0;  // trainable elements that its nodes are the first to read
};

/// What `inspect` prints of a file.
struct ModelSummary {
  std::int64_t ir = 0;
  std::map<std::string, std::int64_t> opsets;  // by domain, "ai.onnx" for the standard operators
  std::string producer;
  std::int64_t nodes = 0;
  std::map<std::string, std::int64_t> nodes_by_op;
  std::int64_t parameters = 0;            // elements of all float initializers
  std::int64_t trainable_parameters = 0;  // elements; 0 where the file is not supported
  std::vector<NamedShape> inputs;
  std::vector<NamedShape> outputs;
  std::vector<LayerSummary> layers;  // none where the file is not supported
  bool supported = false;
  std::vector<Unsupported> unsupported;
  std::vector<std::string> notes;  // of the import
};

/// Reads no payload of a weight. Throws as import_model, but lists what is unsupported.
ModelSummary summarize_model(const std::filesystem::path& path, const ImportOptions& options = {});

}  // namespace mpsearch
