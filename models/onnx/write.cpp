#include "models/onnx/write.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <exception>

#include "kernels/error.h"
#include "models/stored/atomic_file.h"

namespace mpsearch {
namespace {

constexpr std::int64_t kAlignment = 4096;  // so that a reader can map each tensor

/// Protobuf's way to write pieces. Its streams write in their destructors, so an error is kept for
/// later.
class Pieces : public google::protobuf::io::CopyingOutputStream {
 public:
  explicit Pieces(AtomicFile& file) : file_(file) {}
  bool Write(const void* data, int size) override {
    if (error_) return false;
    try {
      file_.write(std::span(static_cast<const std::byte*>(data), static_cast<std::size_t>(size)));
    } catch (...) {
      error_ = std::current_exception();
    }
    return !error_;
  }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  AtomicFile& file_;
  std::exception_ptr error_;
};

void add_entry(onnx::TensorProto& tensor, const char* key, std::string value) {
  onnx::StringStringEntryProto& entry = *tensor.add_external_data();
  entry.set_key(key);
  entry.set_value(std::move(value));
}

/// Moves the weights into a file of their own, one after the other.
void write_weights(onnx::ModelProto& model, const std::filesystem::path& path, std::int64_t bytes) {
  AtomicFile file(path.string(), "the model's weights");
  file.expect_bytes(static_cast<std::size_t>(bytes));
  std::int64_t offset = 0;
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (static_cast<std::int64_t>(tensor.raw_data().size()) < kAlignment) continue;
    const std::int64_t padding = (kAlignment - offset % kAlignment) % kAlignment;
    file.write(std::string(static_cast<std::size_t>(padding), '\0'));
    file.write(tensor.raw_data());
    offset += padding;
    const auto size = static_cast<std::int64_t>(tensor.raw_data().size());
    tensor.clear_raw_data();
    tensor.set_data_location(onnx::TensorProto::EXTERNAL);
    add_entry(tensor, "location", path.filename().string());
    add_entry(tensor, "offset", std::to_string(offset));
    add_entry(tensor, "length", std::to_string(size));
    offset += size;
  }
  file.commit();
}

}  // namespace

void write_model(onnx::ModelProto& model, const std::filesystem::path& path, std::int64_t most) {
  std::int64_t weights = 0;
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    weights += static_cast<std::int64_t>(tensor.raw_data().size());
  }
  if (weights > most) write_weights(model, path.string() + ".data", weights);
  AtomicFile file(path.string(), "the model");
  file.expect_bytes(model.ByteSizeLong());
  Pieces pieces(file);
  bool whole = false;
  {
    google::protobuf::io::CopyingOutputStreamAdaptor stream(&pieces);
    whole = model.SerializeToZeroCopyStream(&stream);
  }
  pieces.rethrow();
  require(whole, ErrorKind::Internal, "the model cannot be serialised");
  file.commit();
}

}  // namespace mpsearch
