#include "search/cli/paths.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/error.h"

namespace mpsearch {
namespace {

namespace fs = std::filesystem;

/// A path and what it is for: "--plan", "MODEL.onnx".
struct NamedPath {
  std::string use;
  std::string path;
};

/// A pipe, a terminal, /dev/null: nothing there is replaced.
bool is_device(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored) && !fs::is_regular_file(path, ignored) &&
         !fs::is_directory(path, ignored);
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  if (fs::equivalent(a, b, ignored)) return true;
  return fs::weakly_canonical(a, ignored) == fs::weakly_canonical(b, ignored);
}

std::vector<NamedPath> paths_read(const Invocation& invocation) {
  std::vector<NamedPath> paths;
  std::error_code ignored;
  for (const std::string& argument : invocation.arguments) {
    if (fs::exists(argument, ignored)) paths.push_back({"the input", argument});
  }
  for (const OptionSpec* spec : invocation.options.specs()) {
    if (spec->type != OptionType::Path || spec->written) continue;
    const std::string text = invocation.options.text(spec->name);
    for (std::size_t from = 0; from < text.size();) {  // --data may be a list
      const std::size_t end = std::min(text.find(',', from), text.size());
      paths.push_back({fmt::format("--{}", spec->name), text.substr(from, end - from)});
      from = end + 1;
    }
  }
  return paths;
}

/// pareto writes a folder, and makes it.
bool is_folder_option(const Invocation& invocation, std::string_view name) {
  return invocation.verb->name == "pareto" && name == "output";
}

std::vector<NamedPath> paths_written(const Invocation& invocation) {
  std::vector<NamedPath> paths;
  for (const OptionSpec* spec : invocation.options.specs()) {
    if (!spec->written || !invocation.options.given(spec->name)) continue;
    if (is_folder_option(invocation, spec->name)) continue;
    paths.push_back({fmt::format("--{}", spec->name), invocation.options.text(spec->name)});
  }
  return paths;
}

[[noreturn]] void refuse_place(const NamedPath& file, std::string why, std::string try_) {
  throw Error(ErrorKind::CannotCreate, {.what = fmt::format("{} cannot be created", file.use),
                                        .at = file.path,
                                        .why = std::move(why),
                                        .try_ = std::move(try_)});
}

/// The path up to what exists of it.
fs::path existing_part(const fs::path& path) {
  std::error_code ignored;
  fs::path there = fs::absolute(path, ignored).lexically_normal();
  while (there.has_relative_path() && !fs::exists(there, ignored)) there = there.parent_path();
  return there;
}

void require_writable(const NamedPath& file) {
  if (is_device(file.path)) return;
  std::error_code ignored;
  if (fs::is_directory(file.path, ignored)) {
    refuse_place(file, "it is a folder", fmt::format("{} {}", file.use, file.path + "/NAME"));
  }
  fs::path folder = fs::path(file.path).parent_path();
  if (folder.empty()) folder = ".";
  if (access(folder.c_str(), W_OK | X_OK) == 0) return;
  const int code = errno;
  refuse_place(file, fmt::format("folder {}: {}", folder.string(), std::strerror(code)),
               code == ENOENT ? "mkdir -p " + folder.string() : "another place");
}

void require_apart(const NamedPath& file, const std::vector<NamedPath>& others,
                   std::string_view relation) {
  if (is_device(file.path)) return;
  for (const NamedPath& other : others) {
    if (!same_file(file.path, other.path)) continue;
    throw Error(ErrorKind::Usage, {.what = fmt::format("{} would replace {}", file.use, other.use),
                                   .at = file.path,
                                   .why = fmt::format("the command {} it too", relation),
                                   .try_ = fmt::format("another name for {}", file.use)});
  }
}

}  // namespace

void check_paths(const Invocation& invocation) {
  const std::vector<NamedPath> read = paths_read(invocation);
  const std::vector<NamedPath> written = paths_written(invocation);
  for (std::size_t i = 0; i < written.size(); ++i) {
    require_apart(written[i], read, "reads");
    require_writable(written[i]);
    require_apart(written[i], {written.begin(), written.begin() + static_cast<std::ptrdiff_t>(i)},
                  "writes");
  }
}

void require_folder(const std::string& use, const std::string& folder) {
  std::error_code ignored;
  const fs::path there = existing_part(folder);
  if (!fs::is_directory(there, ignored)) {
    refuse_place({use, folder}, there.string() + " is not a folder", "another place");
  }
  if (access(there.c_str(), W_OK | X_OK) != 0) {
    const int code = errno;
    refuse_place({use, folder}, fmt::format("folder {}: {}", there.string(), std::strerror(code)),
                 "another place");
  }
}

void require_space(std::span<const PlannedFile> files) {
  std::map<dev_t, std::int64_t> needed;
  for (const PlannedFile& file : files) {
    if (is_device(file.path)) continue;
    const fs::path folder = existing_part(fs::path(file.path).parent_path());
    struct stat info = {};
    std::error_code failed;
    const fs::space_info disk = fs::space(folder, failed);
    // Some file systems do not say what they hold.
    if (stat(folder.c_str(), &info) != 0 || failed || disk.capacity == 0) continue;
    needed[info.st_dev] += file.bytes;
    if (disk.available >= static_cast<std::uintmax_t>(needed[info.st_dev])) continue;
    throw Error(ErrorKind::InputOutput,
                {.what = fmt::format("the disk has no room for {}", file.what),
                 .at = file.path,
                 .why = fmt::format("needs about {} bytes, {} are free", needed[info.st_dev],
                                    disk.available),
                 .try_ = "free space, or choose a place on another disk"});
  }
}

std::string output_path(const Invocation& invocation, std::string_view option,
                        const std::string& fallback) {
  if (invocation.options.given(option)) return invocation.options.text(option);
  const NamedPath file{"the output", fallback};
  require_apart(file, paths_read(invocation), "reads");
  require_writable(file);
  return fallback;
}

}  // namespace mpsearch
