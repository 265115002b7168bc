#include "search/cli/console.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernels/error.h"
#include "search/cli/table.h"

namespace mpsearch {
namespace {

bool set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

bool smart_terminal(int file) {
  const char* term = std::getenv("TERM");
  return isatty(file) == 1 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

int columns_of(int file) {
  if (isatty(file) != 1) return 0;
  winsize size = {};
  if (ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace

struct Console::Loggers {
  spdlog::logger terminal{"stderr", std::make_shared<spdlog::sinks::stderr_sink_st>()};
  std::shared_ptr<spdlog::logger> file;
};

bool colour_on_stderr() { return smart_terminal(STDERR_FILENO) && !set("NO_COLOR"); }

Console::Console(const ConsoleOptions& options)
    : options_(options),
      width_(columns_of(STDOUT_FILENO)),
      live_(smart_terminal(STDERR_FILENO) && !set("CI") && !options.quiet),
      colour_(colour_on_stderr()),
      loggers_(std::make_unique<Loggers>()) {
  loggers_->terminal.set_pattern("%v");
  loggers_->terminal.set_level(options.quiet     ? spdlog::level::warn
                               : options.verbose ? spdlog::level::debug
                                                 : spdlog::level::info);
  if (options.log_file.empty()) return;
  try {
    const auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(options.log_file);
    loggers_->file = std::make_shared<spdlog::logger>("file", sink);
    loggers_->file->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    loggers_->file->set_level(spdlog::level::debug);
    loggers_->file->flush_on(spdlog::level::debug);
    // A full disk under the log must not stop hours of work, nor pass unseen.
    loggers_->file->set_error_handler([this, path = options.log_file](const std::string& why) {
      if (std::exchange(log_failed_, true)) return;
      loggers_->terminal.warn("warning: the log file {} is incomplete: {}", path, why);
    });
  } catch (const spdlog::spdlog_ex& error) {
    throw Error(ErrorKind::CannotCreate, {.what = "cannot open the log file",
                                          .at = options.log_file,
                                          .why = error.what(),
                                          .try_ = {}});
  }
}

Console::~Console() { set_live_line({}); }

void Console::print(std::string_view text) {
  const std::string line = live_line_;
  set_live_line({});
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written && errno != EPIPE) {
    throw Error(ErrorKind::InputOutput, {.what = "the result could not be written",
                                         .at = "stdout",
                                         .why = std::strerror(errno),
                                         .try_ = {}});
  }
  set_live_line(line);
}

void Console::note(std::string_view text) {
  const std::string line = live_line_;
  set_live_line({});
  loggers_->terminal.info(text);
  if (loggers_->file) loggers_->file->info(text);
  set_live_line(line);
}

void Console::detail(std::string_view text) {
  const std::string line = live_line_;
  set_live_line({});
  loggers_->terminal.debug(text);
  if (loggers_->file) loggers_->file->debug(text);
  set_live_line(line);
}

void Console::warn(std::string_view text) {
  const std::string line = live_line_;
  set_live_line({});
  loggers_->terminal.warn("{}{}", colour_ ? "\x1b[33mwarning:\x1b[0m " : "warning: ", text);
  if (loggers_->file) loggers_->file->warn(text);
  set_live_line(line);
}

void Console::log(std::string_view error) {
  if (loggers_->file) loggers_->file->error(error);
}

void Console::set_live_line(std::string_view text) {
  if (!live_ || (text.empty() && live_line_.empty())) return;
  const int columns = columns_of(STDERR_FILENO);
  live_line_ = columns > 1 ? fit(text, columns - 1) : std::string(text);
  std::fprintf(stderr, "\r\x1b[2K%s", live_line_.c_str());
  std::fflush(stderr);
}

}  // namespace mpsearch
