#include <fmt/format.h>

#include <optional>

#include "runtime/dataset_readers.h"

namespace mpsearch {
namespace {

struct IdxHeader {
  ElementFormat format;
  Shape shape;
  std::size_t size = 0;
};

std::optional<ElementFormat> format_of(std::byte code) {
  switch (static_cast<int>(code)) {
    case 0x08:
      return ElementFormat{'u', 1, true};
    case 0x09:
      return ElementFormat{'i', 1, true};
    case 0x0B:
      return ElementFormat{'i', 2, true};
    case 0x0C:
      return ElementFormat{'i', 4, true};
    case 0x0D:
      return ElementFormat{'f', 4, true};
    case 0x0E:
      return ElementFormat{'f', 8, true};
    default:
      return std::nullopt;
  }
}

IdxHeader idx_header(std::span<const std::byte> head, const std::string& path) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned>(head[i]); };
  if (head.size() < 4) {
    refuse_data("the file is truncated", path,
                fmt::format("an IDX file has at least 4 bytes, this one {}", head.size()));
  }
  const auto format = format_of(head[2]);
  if (byte(0) != 0 || byte(1) != 0 || !format || byte(3) == 0) {
    refuse_data("not an IDX file", path,
                fmt::format("it starts with {:02X} {:02X} {:02X} {:02X}; expected 00 00, a type "
                            "(08 09 0B 0C 0D 0E), and the number of dimensions",
                            byte(0), byte(1), byte(2), byte(3)));
  }
  IdxHeader header{*format, {}, 4 + std::size_t{4} * byte(3)};
  if (head.size() < header.size) {
    refuse_data("the file is truncated", path,
                fmt::format("its header of {} dimensions has {} bytes; the file has {}", byte(3),
                            header.size, head.size()));
  }
  for (std::size_t at = 4; at < header.size; at += 4) {
    header.shape.push_back(byte(at) << 24 | byte(at + 1) << 16 | byte(at + 2) << 8 | byte(at + 3));
  }
  return header;
}

}  // namespace

namespace {

/// The last four bytes of a gzip file: the size of its content, modulo 2^32.
std::uint32_t gzip_content_size(std::span<const std::byte> packed) {
  std::uint32_t size = 0;
  for (std::size_t i = 0; i < 4; ++i)
    size |= static_cast<std::uint32_t>(packed[packed.size() - 4 + i]) << (8 * i);
  return size;
}

/// Bytes that need no conversion, unpacked only when they are looked at: a plan whose measurements
/// are all cached never does. Empty where the file does not look whole.
std::optional<DataArray> read_later(const std::string& path, const FileBytes& packed) {
  if (packed.size() < 18) return std::nullopt;
  const auto no_more = [](std::span<const std::byte>) { return std::size_t{0}; };
  const std::vector<std::byte> head = unpack_gzip(path, no_more);
  if (head.size() < kHeadBytes) return std::nullopt;
  const IdxHeader header = idx_header(head, path);
  if (header.format.kind != 'u' || header.format.size != 1) return std::nullopt;
  const std::size_t size = header.size + array_bytes(path, header.format, header.shape);
  if (static_cast<std::uint32_t>(size) != gzip_content_size(packed.view())) return std::nullopt;
  const auto unpack = [path, size] {
    std::vector<std::byte> content =
        unpack_gzip(path, [size](std::span<const std::byte>) { return size; });
    if (content.size() != size) {
      refuse_data(
          content.size() < size ? "the file is truncated" : "the file is longer than it says", path,
          fmt::format("its header says {} bytes in all", size), "fetch the file again");
    }
    return content;
  };
  return array_of(path, FileBytes::unpacked_later(packed, size, unpack), header.size, header.format,
                  header.shape, false);
}

}  // namespace

DataArray read_idx(const std::string& path) {
  FileBytes bytes = FileBytes::map(path);
  if (starts_with(bytes.view(), "\x1f\x8b")) {
    if (std::optional<DataArray> later = read_later(path, bytes)) return std::move(*later);
    const auto size_of = [&](std::span<const std::byte> head) {
      const IdxHeader header = idx_header(head, path);
      return header.size + array_bytes(path, header.format, header.shape);
    };
    bytes = FileBytes::own(unpack_gzip(path, size_of));
  }
  const IdxHeader header = idx_header(bytes.view(), path);
  return array_of(path, bytes, header.size, header.format, header.shape, false);
}

}  // namespace mpsearch
