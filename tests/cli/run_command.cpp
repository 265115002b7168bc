#include "tests/cli/run_command.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <sys/wait.h>

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

Outcome run_command(const TemporaryFolder& folder, const std::vector<std::string>& words,
                    const std::vector<std::string>& environment) {
  std::string command = "cd " + quoted(folder.folder()) + " && env";
  for (const std::string& setting : environment) command += " " + quoted(setting);
  command += " " + quoted(MPSEARCH_EXECUTABLE);
  for (const std::string& word : words) command += " " + quoted(word);
  command += " >.stdout 2>.stderr </dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_text(folder.path(".stdout")),
          read_text(folder.path(".stderr"))};
}

}  // namespace mpsearch::test
