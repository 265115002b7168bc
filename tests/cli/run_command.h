// Runs the executable as a user would and returns what it printed. Used by the tests of the
// commands.
#pragma once

#include <string>
#include <vector>

namespace mpsearch::test {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

/// A new empty folder, removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  const std::string& folder() const { return folder_; }
  void write(const std::string& name, const std::string& content) const;

 private:
  std::string folder_;
};

std::string read_text(const std::string& path);

/// `mpsearch WORDS...` in `folder`, without a terminal; `environment` holds NAME=VALUE settings.
Outcome run_command(const TemporaryFolder& folder, const std::vector<std::string>& words,
                    const std::vector<std::string>& environment = {});

/// The same without waiting for it; killed with the object where it still runs.
class RunningCommand {
 public:
  RunningCommand(const TemporaryFolder& folder, const std::vector<std::string>& words,
                 const std::vector<std::string>& environment = {});
  ~RunningCommand();
  RunningCommand(const RunningCommand&) = delete;
  RunningCommand& operator=(const RunningCommand&) = delete;

  void send(int signal) const;
  /// Status, or minus the signal that ended it, and what it printed.
  Outcome wait();

 private:
  const TemporaryFolder& folder_;
  int process_ = -1;
};

}  // namespace mpsearch::test
