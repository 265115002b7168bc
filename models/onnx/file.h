// An ONNX file in memory: the parsed graph, with large payloads left in the mapped file. Internal
// to models/onnx.
#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "models/onnx/mapped_file.h"
#include "models/onnx/proto.h"

namespace mpsearch {

/// An initializer's elements, little-endian as in raw_data. `data` is empty for types whose
/// elements have no whole size (strings, 4-bit numbers).
struct Initializer {
  std::string name;
  int type = 0;  // TensorProto::DataType
  Shape shape;
  std::span<const std::byte> data;
};

struct ModelFile {
  std::filesystem::path path;

  /// Without large or external initializers: these are inputs of the graph here, which is all that
  /// checker and shape inference want to know of them.
  onnx::ModelProto proto;
  std::vector<Initializer> initializers;  // all of them, in the file's order
  std::unordered_map<std::string, std::size_t> initializer_index;
  std::vector<onnx::TensorProto> headers;  // of those that `proto` lacks: all but the elements
  std::unordered_set<std::string> added_inputs;  // that stand for them

  std::unique_ptr<MappedFile> mapping;
  std::map<std::string, std::unique_ptr<MappedFile>> external;  // by location
  std::deque<std::string> owned;   // elements that the file does not hold in plain form
  std::vector<std::string> notes;  // what was changed, for the user

  const Initializer* initializer(const std::string& name) const;
  /// The graph's inputs that no initializer provides: what a user feeds.
  std::vector<const onnx::ValueInfoProto*> data_inputs() const;
};

/// Maps and parses. Throws Missing, InputOutput, or BadContent with where and why.
ModelFile open_model(const std::filesystem::path& path);

/// SHA-256 in hex of the file and, where it has any, of its external tensors in order.
std::string sha256_of(const ModelFile& file);

/// A tensor's elements as in raw_data, whatever field holds them. Throws BadContent where their
/// number differs from the shape.
std::string raw_elements(const onnx::TensorProto& tensor);

}  // namespace mpsearch
