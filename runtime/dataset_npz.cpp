#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>

#include "kernels/error.h"
#include "kernels/nearest.h"
#include "runtime/dataset_readers.h"

namespace mpsearch {
namespace {

using ArchivePointer = std::unique_ptr<archive, decltype(&archive_read_free)>;

[[noreturn]] void fail_damaged(archive* reader, const std::string& path) {
  const char* reason = archive_error_string(reader);
  refuse_data("the NPZ file is damaged", path, reason != nullptr ? reason : "",
              "fetch or write the file again");
}

ArchivePointer open_archive(const std::string& path) {
  ArchivePointer reader(archive_read_new(), archive_read_free);
  require(reader != nullptr, ErrorKind::OutOfMemory, "no memory to read " + path);
  archive_read_support_format_zip_seekable(reader.get());
  if (archive_read_open_filename(reader.get(), path.c_str(), 1 << 16) != ARCHIVE_OK) {
    fail_damaged(reader.get(), path);
  }
  return reader;
}

DataArray read_member(archive* reader, const std::string& path, const std::string& origin) {
  const auto read_more = [&](std::span<std::byte> buffer) {
    std::size_t filled = 0;
    while (filled < buffer.size()) {
      const la_ssize_t got =
          archive_read_data(reader, buffer.data() + filled, buffer.size() - filled);
      if (got < 0) fail_damaged(reader, path);
      if (got == 0) break;
      filled += static_cast<std::size_t>(got);
    }
    return filled;
  };
  const auto size_of = [&](std::span<const std::byte> head) {
    const NpyHeader header = npy_header(head, origin);
    return header.size + array_bytes(origin, header.format, header.shape);
  };
  FileBytes bytes = FileBytes::own(unpack(read_more, size_of));
  const NpyHeader header = npy_header(bytes.view(), origin);
  return array_of(origin, bytes, header.size, header.format, header.shape, header.column_major);
}

}  // namespace

std::vector<DataArray> read_npz(const std::string& path, const std::vector<std::string>& names,
                                const std::string& expected) {
  FileBytes::map(path);  // its errors are clearer than the library's
  const ArchivePointer reader = open_archive(path);
  std::map<std::string, DataArray> found;
  std::vector<std::string> members;
  archive_entry* entry = nullptr;
  int code = ARCHIVE_OK;
  while ((code = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    const char* pathname = archive_entry_pathname(entry);
    std::string name = pathname != nullptr ? pathname : "";
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    members.push_back(name);
    if (std::ranges::find(names, name) == names.end() || found.contains(name)) continue;
    found.emplace(name, read_member(reader.get(), path, path + ": " + name));
  }
  if (code != ARCHIVE_EOF) fail_damaged(reader.get(), path);
  std::vector<DataArray> arrays;
  for (const std::string& name : names) {
    const auto array = found.find(name);
    if (array == found.end()) {
      refuse_data(fmt::format("the NPZ file has no array {}", name), path,
                  fmt::format("it holds: {}{}", fmt::join(members, ", "),
                              expected.empty() ? "" : "; the model takes: " + expected),
                  did_you_mean(name, members));
    }
    arrays.push_back(array->second);
  }
  return arrays;
}

}  // namespace mpsearch
