#include "models/onnx/file.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <charconv>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "kernels/error.h"
#include "models/onnx/wire.h"

namespace mpsearch {
namespace {

using onnx::TensorProto;

[[noreturn]] void bad_tensor(const std::string& tensor, std::string why) {
  throw Error(ErrorKind::BadContent, {.what = "tensor '" + tensor + "' is damaged",
                                      .at = "tensor '" + tensor + "'",
                                      .why = std::move(why),
                                      .try_ = "export the model again"});
}

template <class Stored, class Field>
std::string narrowed(const Field& field) {
  std::string raw(static_cast<std::size_t>(field.size()) * sizeof(Stored), '\0');
  for (int i = 0; i < field.size(); ++i) {
    const auto value = static_cast<Stored>(field[i]);
    std::memcpy(raw.data() + static_cast<std::size_t>(i) * sizeof(Stored), &value, sizeof(Stored));
  }
  return raw;
}

std::string typed_elements(const TensorProto& tensor) {
  switch (tensor.data_type()) {
    case TensorProto::FLOAT:
    case TensorProto::COMPLEX64:
      return narrowed<float>(tensor.float_data());
    case TensorProto::DOUBLE:
    case TensorProto::COMPLEX128:
      return narrowed<double>(tensor.double_data());
    case TensorProto::INT64:
      return narrowed<std::int64_t>(tensor.int64_data());
    case TensorProto::UINT64:
      return narrowed<std::uint64_t>(tensor.uint64_data());
    case TensorProto::UINT32:
      return narrowed<std::uint32_t>(tensor.uint64_data());
    default:
      break;
  }
  switch (onnx_element_bits(tensor.data_type())) {
    case 2:  // packed, a byte an entry
    case 4:
    case 8:
      return narrowed<std::uint8_t>(tensor.int32_data());
    case 16:
      return narrowed<std::uint16_t>(tensor.int32_data());
    default:
      return narrowed<std::int32_t>(tensor.int32_data());
  }
}

/// Bytes that a tensor's elements take by its shape; 0 for types without a fixed size.
std::size_t expected_bytes(const TensorProto& tensor) {
  const Shape shape = shape_of(tensor);
  for (const std::int64_t dim : shape) {
    if (dim < 0) bad_tensor(tensor.name(), "its shape " + to_string(shape) + " is negative");
  }
  const std::int64_t size = onnx_element_bits(tensor.data_type());
  std::int64_t bits = 0;
  if (__builtin_mul_overflow(elements_of(shape), size, &bits)) {
    bad_tensor(tensor.name(), "its shape " + to_string(shape) + " is too large");
  }
  return static_cast<std::size_t>(bits / 8 + (bits % 8 != 0 ? 1 : 0));
}

void require_size(const TensorProto& tensor, std::size_t got) {
  const std::size_t wanted = expected_bytes(tensor);
  if (got == wanted) return;
  bad_tensor(tensor.name(),
             fmt::format("{} bytes of data, but {} {} takes {}", got,
                         onnx_type_name(tensor.data_type()), to_string(shape_of(tensor)), wanted));
}

struct ExternalPlace {
  std::string location;
  std::uint64_t offset = 0;
  std::uint64_t length = std::numeric_limits<std::uint64_t>::max();  // to the end
};

ExternalPlace place_of(const TensorProto& tensor) {
  ExternalPlace place;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (entry.key() == "location") place.location = entry.value();
    if (entry.key() != "offset" && entry.key() != "length") continue;
    std::uint64_t& number = entry.key() == "offset" ? place.offset : place.length;
    const char* end = entry.value().data() + entry.value().size();
    const auto parsed = std::from_chars(entry.value().data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
      bad_tensor(tensor.name(), entry.key() + " of its external data is '" + entry.value() + "'");
    }
  }
  return place;
}

std::span<const std::byte> external_elements(ModelFile& file, const TensorProto& tensor) {
  ExternalPlace place = place_of(tensor);
  std::unique_ptr<MappedFile>& mapped = file.external[place.location];
  if (mapped == nullptr) {
    const int descriptor = open_contained(file.path.parent_path(), place.location, tensor.name());
    mapped = std::make_unique<MappedFile>(descriptor, place.location);
  }
  const std::span<const std::byte> bytes = mapped->bytes();
  const bool to_end = place.length == std::numeric_limits<std::uint64_t>::max();
  if (to_end && place.offset <= bytes.size()) place.length = bytes.size() - place.offset;
  if (place.offset > bytes.size() || place.length > bytes.size() - place.offset) {
    throw Error(ErrorKind::BadContent,
                {.what = "external data refused",
                 .at = "tensor '" + tensor.name() + "', path '" + place.location + "'",
                 .why = fmt::format("offset {} and length {} lie past the end of {} bytes",
                                    place.offset, place.length, bytes.size()),
                 .try_ = "copy or export the data file again"});
  }
  require_size(tensor, place.length);
  return bytes.subspan(place.offset, place.length);
}

/// Brings external data of node attributes and subgraphs inline: it is rare, and small.
void inline_external(ModelFile& file, TensorProto& tensor) {
  if (tensor.data_location() != TensorProto::EXTERNAL) return;
  const std::span<const std::byte> bytes = external_elements(file, tensor);
  tensor.set_raw_data(bytes.data(), bytes.size());
  tensor.clear_data_location();
  tensor.clear_external_data();
}

void inline_external(ModelFile& file, onnx::GraphProto& graph);

void inline_external(ModelFile& file, google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes) {
  for (onnx::NodeProto& node : nodes) {
    for (onnx::AttributeProto& attribute : *node.mutable_attribute()) {
      if (attribute.has_t()) inline_external(file, *attribute.mutable_t());
      for (TensorProto& tensor : *attribute.mutable_tensors()) inline_external(file, tensor);
      if (attribute.has_g()) inline_external(file, *attribute.mutable_g());
      for (onnx::GraphProto& graph : *attribute.mutable_graphs()) inline_external(file, graph);
    }
  }
}

void inline_external(ModelFile& file, onnx::GraphProto& graph) {
  for (TensorProto& tensor : *graph.mutable_initializer()) inline_external(file, tensor);
  inline_external(file, *graph.mutable_node());
}

void refuse_what_is_no_model(const ModelFile& file) {
  const std::span<const std::byte> bytes = file.mapping->bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string name = file.path.string();
  if (text.starts_with("version https://git-lfs.github.com/spec/")) {
    throw Error(ErrorKind::BadContent, {.what = "this is a Git-LFS pointer, not the model",
                                        .at = name,
                                        .why = fmt::format("{} bytes of text", bytes.size()),
                                        .try_ = "git lfs pull"});
  }
  if (bytes.empty()) {
    throw Error(ErrorKind::BadContent, {.what = "'" + name + "' is not a complete ONNX file",
                                        .at = name,
                                        .why = "the file is empty",
                                        .try_ = "copy or export the file again"});
  }
}

void parse(ModelFile& file, const std::string& skeleton) {
  const bool parsed =
      skeleton.size() <= std::numeric_limits<int>::max() && file.proto.ParseFromString(skeleton);
  if (parsed && file.proto.has_graph() && file.proto.has_ir_version()) return;
  throw Error(ErrorKind::BadContent, {.what = "'" + file.path.string() + "' is not an ONNX file",
                                      .at = file.path.string(),
                                      .why = !parsed ? "Protobuf cannot parse it as a ModelProto"
                                             : file.proto.has_graph() ? "it has no IR version"
                                                                      : "it has no graph",
                                      .try_ = "export the model again, as ONNX"});
}

std::span<const std::byte> elements(ModelFile& file, TensorProto& tensor,
                                    std::span<const std::byte> payload) {
  if (tensor.data_location() == TensorProto::EXTERNAL) return external_elements(file, tensor);
  if (!payload.empty()) {
    require_size(tensor, payload.size());
    return payload;
  }
  if (onnx_element_bits(tensor.data_type()) == 0) return {};
  file.owned.push_back(raw_elements(tensor));
  return std::as_bytes(std::span(file.owned.back()));
}

onnx::ValueInfoProto as_input(const TensorProto& tensor) {
  onnx::ValueInfoProto input;
  input.set_name(tensor.name());
  onnx::TypeProto_Tensor& type = *input.mutable_type()->mutable_tensor_type();
  type.set_elem_type(tensor.data_type());
  type.mutable_shape();
  for (const std::int64_t dim : tensor.dims()) type.mutable_shape()->add_dim()->set_dim_value(dim);
  return input;
}

/// Lists the initializers and turns large or external ones into inputs.
void read_initializers(ModelFile& file, const std::vector<std::span<const std::byte>>& payloads) {
  onnx::GraphProto& graph = *file.proto.mutable_graph();
  std::unordered_set<std::string> inputs;
  for (const onnx::ValueInfoProto& input : graph.input()) inputs.insert(input.name());
  google::protobuf::RepeatedPtrField<TensorProto> kept;
  for (int i = 0; i < graph.initializer_size(); ++i) {
    TensorProto& tensor = *graph.mutable_initializer(i);
    const auto index = static_cast<std::size_t>(i);
    const std::span<const std::byte> data = elements(file, tensor, payloads[index]);
    file.initializers.push_back({tensor.name(), tensor.data_type(), shape_of(tensor), data});
    if (!file.initializer_index.emplace(tensor.name(), index).second || tensor.name().empty()) {
      bad_tensor(tensor.name(), "two initializers have this name");
    }
    file.headers.emplace_back();
    const bool external = tensor.data_location() == TensorProto::EXTERNAL;
    if (external && data.size() < kInlinePayload) {
      inline_external(file, tensor);
    } else if (external || !payloads[index].empty()) {
      if (!inputs.contains(tensor.name())) {
        *graph.add_input() = as_input(tensor);
        file.added_inputs.insert(tensor.name());
      }
      file.headers.back().Swap(&tensor);
      continue;
    }
    kept.Add()->Swap(&tensor);
  }
  graph.mutable_initializer()->Swap(&kept);
}

}  // namespace

std::string raw_elements(const TensorProto& tensor) {
  std::string raw = tensor.has_raw_data() ? tensor.raw_data() : typed_elements(tensor);
  require_size(tensor, raw.size());
  return raw;
}

const Initializer* ModelFile::initializer(const std::string& name) const {
  const auto found = initializer_index.find(name);
  return found == initializer_index.end() ? nullptr : &initializers[found->second];
}

std::vector<const onnx::ValueInfoProto*> ModelFile::data_inputs() const {
  std::vector<const onnx::ValueInfoProto*> inputs;
  for (const onnx::ValueInfoProto& input : proto.graph().input()) {
    if (initializer(input.name()) == nullptr) inputs.push_back(&input);
  }
  return inputs;
}

ModelFile open_model(const std::filesystem::path& path) {
  ModelFile file;
  file.path = path;
  file.mapping = std::make_unique<MappedFile>(path);
  refuse_what_is_no_model(file);
  const WireModel wire = read_wire(file.mapping->bytes(), path.string());
  parse(file, wire.skeleton);
  require(static_cast<std::size_t>(file.proto.graph().initializer_size()) == wire.payloads.size(),
          ErrorKind::BadContent,
          "'" + path.string() + "' is not an ONNX file: damaged initializers");
  read_initializers(file, wire.payloads);
  inline_external(file, *file.proto.mutable_graph());
  for (onnx::FunctionProto& function : *file.proto.mutable_functions()) {
    inline_external(file, *function.mutable_node());
  }
  return file;
}

std::string sha256_of(const ModelFile& file) {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  const auto add = [&](std::span<const std::byte> bytes) {
    EVP_DigestUpdate(context.get(), bytes.data(), bytes.size());
  };
  add(file.mapping->bytes());
  for (const Initializer& initializer : file.initializers) {
    const std::byte* data = initializer.data.data();
    for (const auto& [location, mapped] : file.external) {
      const std::span<const std::byte> bytes = mapped->bytes();
      if (data >= bytes.data() && data < bytes.data() + bytes.size()) add(initializer.data);
    }
  }
  std::array<unsigned char, 32> digest{};
  EVP_DigestFinal_ex(context.get(), digest.data(), nullptr);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace mpsearch
