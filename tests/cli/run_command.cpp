#include "tests/cli/run_command.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/wait.h>
#include <unistd.h>

namespace mpsearch::test {
namespace {

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "mpsearch-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  folder_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void TemporaryFolder::write(const std::string& name, const std::string& content) const {
  std::ofstream(path(name), std::ios::binary) << content;
}

std::string read_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

RunningCommand::RunningCommand(const TemporaryFolder& folder, const std::vector<std::string>& words,
                               const std::vector<std::string>& environment)
    : folder_(folder) {
  std::string command = "cd " + quoted(folder.folder()) + " && exec env";
  for (const std::string& setting : environment) command += " " + quoted(setting);
  command += " " + quoted(MPSEARCH_EXECUTABLE);
  for (const std::string& word : words) command += " " + quoted(word);
  command += " >.stdout 2>.stderr </dev/null";
  process_ = fork();
  if (process_ == 0) {
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
}

RunningCommand::~RunningCommand() {
  if (process_ < 0) return;
  send(SIGKILL);
  waitpid(process_, nullptr, 0);
}

void RunningCommand::send(int signal) const { kill(process_, signal); }

Outcome RunningCommand::wait() {
  int status = 0;
  waitpid(process_, &status, 0);
  process_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
          read_text(folder_.path(".stdout")), read_text(folder_.path(".stderr"))};
}

Outcome run_command(const TemporaryFolder& folder, const std::vector<std::string>& words,
                    const std::vector<std::string>& environment) {
  return RunningCommand(folder, words, environment).wait();
}

}  // namespace mpsearch::test
