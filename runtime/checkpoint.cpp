#include "runtime/checkpoint.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include "kernels/error.h"
#include "models/stored/atomic_file.h"
#include "models/stored/sha256.h"

namespace mpsearch {
namespace {

constexpr std::string_view kMagic("mpsearch ckpt 1\n", 16);
constexpr std::size_t kAlignment = 64;
constexpr std::uint32_t kMarker = 0x44524352;  // "RCRD"
constexpr std::size_t kGreatestName = 1 << 16;
constexpr std::array kDTypes{DType::F32,    DType::BF16, DType::F16, DType::F8E4M3,
                             DType::F8E5M2, DType::I32,  DType::I64, DType::U8,
                             DType::BIT,    DType::BOOL, DType::I8,  DType::F64};

struct RecordHead {
  std::uint32_t marker = kMarker;
  std::uint32_t name_size = 0;
  std::uint64_t payload_size = 0;
  std::uint64_t payload_hash = 0;
  std::uint64_t head_hash = 0;  // of the fields above and the name
};
static_assert(sizeof(RecordHead) == 32);

std::uint64_t hash_of(const RecordHead& head, std::string_view name) {
  return XXH3_64bits_withSeed(name.data(), name.size(),
                              XXH3_64bits(&head, offsetof(RecordHead, head_hash)));
}

constexpr std::size_t padding_after(std::size_t size) {
  return (kAlignment - size % kAlignment) % kAlignment;
}

std::size_t size_of_record(std::size_t name, std::size_t payload) {
  const std::size_t head = sizeof(RecordHead) + name;
  return head + padding_after(head) + payload + padding_after(payload);
}

void write_record(AtomicFile& file, std::string_view name, std::span<const std::byte> payload) {
  RecordHead head;
  head.name_size = static_cast<std::uint32_t>(name.size());
  head.payload_size = payload.size();
  head.payload_hash = XXH3_64bits(payload.data(), payload.size());
  head.head_hash = hash_of(head, name);
  const std::string zeros(kAlignment, '\0');
  file.write(std::as_bytes(std::span(&head, 1)));
  file.write(name);
  file.write(std::string_view(zeros).substr(0, padding_after(sizeof head + name.size())));
  file.write(payload);
  file.write(std::string_view(zeros).substr(0, padding_after(payload.size())));
}

struct Record {
  std::string name;
  std::span<const std::byte> payload;
};

/// Walks the records of a file, trusting nothing.
class RecordReader {
 public:
  RecordReader(std::span<const std::byte> bytes, const std::string& path)
      : rest_(bytes), path_(path) {
    if (!starts_with(bytes, kMagic.substr(0, 14))) {
      throw Error(ErrorKind::BadContent, {.what = "not a checkpoint of mpsearch",
                                          .at = path_,
                                          .why = "it does not start with \"mpsearch ckpt\"",
                                          .try_ = {}});
    }
    if (!starts_with(bytes, kMagic)) {
      throw Error(ErrorKind::BadContent, {.what = "a checkpoint of another version",
                                          .at = path_,
                                          .why = "this program reads version 1",
                                          .try_ = "resume with the version that wrote it"});
    }
    take(kMagic.size(), "the magic");
    skip_zeros(kMagic.size(), "the magic");
  }

  bool at_end() const { return rest_.empty(); }

  /// The next record; `expected` names it in errors, and must be its name.
  Record next(const std::string& expected) {
    const std::string where = "record " + expected;
    RecordHead head;
    const auto head_bytes = take(sizeof head, where);
    std::memcpy(&head, head_bytes.data(), sizeof head);
    if (head.marker != kMarker || head.name_size > kGreatestName)
      fail(where, "no record starts here");
    const auto name_bytes = take(head.name_size, where);
    const std::string name(reinterpret_cast<const char*>(name_bytes.data()), name_bytes.size());
    if (hash_of(head, name) != head.head_hash) fail(where, "the checksum of its head differs");
    if (name != expected) fail(where, "found record " + name);
    skip_zeros(sizeof head + name.size(), where);
    const auto payload = take(head.payload_size, where);
    if (XXH3_64bits(payload.data(), payload.size()) != head.payload_hash) {
      fail(where, "its checksum differs");
    }
    skip_zeros(payload.size(), where);
    return {name, payload};
  }

  [[noreturn]] void fail(const std::string& where, const std::string& why) const {
    throw Error(ErrorKind::BadContent, {.what = "the checkpoint is damaged",
                                        .at = path_ + ", " + where,
                                        .why = why,
                                        .try_ = "resume from another checkpoint"});
  }

 private:
  std::span<const std::byte> take(std::size_t size, const std::string& where) {
    if (size > rest_.size()) {
      fail(where, fmt::format("{} more bytes are needed, the file has {}", size, rest_.size()));
    }
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  void skip_zeros(std::size_t size, const std::string& where) {
    for (const std::byte byte : take(padding_after(size), where)) {
      if (byte != std::byte{0}) fail(where, "its padding is not zero");
    }
  }

  std::span<const std::byte> rest_;
  const std::string& path_;
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The tensor of a record, if the record is what the header says.
CheckpointTensor tensor_of(const StoredTensor& stored, const RecordReader& reader,
                           std::span<const std::byte> payload) {
  const std::string where = "record " + stored.name;
  const auto dtype = std::ranges::find(kDTypes, stored.dtype, [](DType d) { return name_of(d); });
  if (dtype == kDTypes.end()) reader.fail(where, "its type " + stored.dtype + " is not known");
  std::int64_t elements = 1;
  for (const std::int64_t dim : stored.shape) {
    if (dim < 0 || __builtin_mul_overflow(elements, dim, &elements) || elements > (1LL << 56)) {
      reader.fail(where, "its shape is " + to_string(stored.shape));
    }
  }
  if (static_cast<std::size_t>(bytes_of(*dtype, elements)) != payload.size()) {
    reader.fail(where, fmt::format("{} bytes are not {}{}", payload.size(), stored.dtype,
                                   to_string(stored.shape)));
  }
  return {stored.name, *dtype, stored.shape, payload};
}

template <typename List>
const auto& named(const List& list, const std::string& name) {
  const auto found = std::ranges::find(list, name, [](const auto& entry) { return entry.name; });
  if (found == list.end()) {
    throw Error(ErrorKind::BadContent, {.what = "the checkpoint does not hold " + name,
                                        .at = {},
                                        .why = {},
                                        .try_ = "resume from a checkpoint of this model"});
  }
  return *found;
}

}  // namespace

const CheckpointTensor& CheckpointData::tensor(const std::string& name) const {
  return named(tensors, name);
}

double CheckpointData::scalar(const std::string& name) const { return named(scalars, name).value; }

std::uint64_t CheckpointData::counter(const std::string& name) const {
  return named(counters, name).value;
}

void write_checkpoint(const std::string& path, const CheckpointData& data) {
  CheckpointHeader header;
  header.tool_version = data.tool_version;
  header.model = data.model;
  header.plan_json = data.plan_json;
  header.plan_sha256 = data.plan_json.empty() ? "" : sha256_of(data.plan_json);
  header.scalars = data.scalars;
  header.counters = data.counters;
  header.metrics = data.metrics;
  for (const CheckpointTensor& tensor : data.tensors) {
    require(static_cast<std::size_t>(bytes_of(tensor.dtype, elements_of(tensor.shape))) ==
                tensor.bytes.size(),
            ErrorKind::Internal,
            "a checkpoint tensor's bytes do not fit its shape: " + tensor.name);
    header.tensors.push_back({tensor.name, std::string(name_of(tensor.dtype)), tensor.shape});
  }
  const std::string header_bytes = checkpoint_header_to_bytes(header);
  std::size_t total = kAlignment + size_of_record(6, header_bytes.size());
  for (const CheckpointTensor& tensor : data.tensors) {
    total += size_of_record(tensor.name.size(), tensor.bytes.size());
  }
  AtomicFile file(path, "the checkpoint");
  file.expect_bytes(total);
  file.write(kMagic);
  file.write(std::string(padding_after(kMagic.size()), '\0'));
  write_record(file, "header", std::as_bytes(std::span(header_bytes)));
  for (const CheckpointTensor& tensor : data.tensors) {
    write_record(file, tensor.name, tensor.bytes);
  }
  file.commit();
}

CheckpointData read_checkpoint(const std::string& path) {
  CheckpointData data;
  data.storage = FileBytes::map(path);
  RecordReader reader(data.storage.view(), path);
  const CheckpointHeader header = checkpoint_header_from_bytes(
      std::string(text_of(reader.next("header").payload)), path + ", record header");
  data.tool_version = header.tool_version;
  data.model = header.model;
  data.plan_json = header.plan_json;
  if (!header.plan_json.empty() && sha256_of(header.plan_json) != header.plan_sha256) {
    reader.fail("record header", "the plan's hash differs");
  }
  data.scalars = header.scalars;
  data.counters = header.counters;
  data.metrics = header.metrics;
  std::set<std::string> names;
  for (const StoredTensor& stored : header.tensors) {
    if (!names.insert(stored.name).second)
      reader.fail("record " + stored.name, "it is there twice");
    data.tensors.push_back(tensor_of(stored, reader, reader.next(stored.name).payload));
  }
  if (!reader.at_end()) reader.fail("its end", "bytes follow the last record");
  return data;
}

}  // namespace mpsearch
