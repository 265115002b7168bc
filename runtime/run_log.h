// Appends the lines of a training run's log (models/stored/run_log.h) as they happen.
// Used by the trainer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "models/stored/run_log.h"

namespace mpsearch {

class RunLogWriter {
 public:
  /// Starts a new log at `path`, replacing an old one; or, where a run goes on after attempt
  /// `resumed_at`, keeps the lines up to that step of the log that is there (none: a new one).
  /// Errors: CannotCreate, InputOutput; BadContent where the log to continue is none.
  RunLogWriter(const std::string& path, const RunHeader& header,
               std::optional<std::int64_t> resumed_at = std::nullopt);

  /// One write call a line: a killed run leaves at most its last line incomplete. Throws
  /// InputOutput.
  void write(const RunLine& line);

 private:
  struct Descriptor {
    explicit Descriptor(int number) : number(number) {}
    ~Descriptor();
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int number;
  };

  std::string path_;
  Descriptor file_;
};

}  // namespace mpsearch
