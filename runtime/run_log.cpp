#include "runtime/run_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "kernels/error.h"
#include "models/stored/atomic_file.h"

namespace mpsearch {
namespace {

[[noreturn]] void fail(ErrorKind kind, const std::string& path) {
  throw Error(kind, {.what = "the run log cannot be written",
                     .at = path,
                     .why = std::strerror(errno),
                     .try_ = "free space or choose another place"});
}

/// What stays of an earlier log when its run goes on after step `last`.
std::string kept_lines(const std::string& path, std::int64_t last) {
  const RunLog log = read_run_log(path).value;
  std::string text = run_line_to_json(log.header);
  auto epoch = log.epochs.begin();
  const auto write_epochs_before = [&](std::int64_t step) {
    for (; epoch != log.epochs.end() && epoch->step < step; ++epoch) {
      text += run_line_to_json(*epoch);
    }
  };
  for (const RunStep& step : log.steps) {
    if (step.step > last) break;
    write_epochs_before(step.step);
    text += run_line_to_json(step);
  }
  write_epochs_before(last + 1);
  return text;
}

int open_log(const std::string& path, std::optional<std::int64_t> resumed_at) {
  const bool goes_on = resumed_at && std::filesystem::exists(path);
  if (goes_on) write_file_atomically(path, kept_lines(path, *resumed_at), "the run log");
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (goes_on ? 0 : O_TRUNC);
  const int file = open(path.c_str(), flags, 0666);
  if (file < 0) fail(ErrorKind::CannotCreate, path);
  return file;
}

}  // namespace

RunLogWriter::Descriptor::~Descriptor() {
  if (number >= 0) close(number);
}

RunLogWriter::RunLogWriter(const std::string& path, const RunHeader& header,
                           std::optional<std::int64_t> resumed_at)
    : path_(path), file_(open_log(path, resumed_at)) {
  write(header);
}

void RunLogWriter::write(const RunLine& line) {
  const std::string text = run_line_to_json(line);
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t done = ::write(file_.number, rest.data(), rest.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(ErrorKind::InputOutput, path_);
    rest.remove_prefix(static_cast<std::size_t>(done));
  }
}

}  // namespace mpsearch
