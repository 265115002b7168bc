#include "search/cli/completions.h"
#include "search/cli/config_file.h"
#include "search/cli/verbs.h"

namespace mpsearch {
namespace {

int run(const Invocation& invocation, Console& console) {
  const std::string& what = invocation.arguments[0];
  console.print(what == "config-schema" ? config_schema(commands())
                                        : completion_script(commands(), what));
  return 0;
}

}  // namespace

Verb completions_verb() {
  return {.name = "completions",
          .summary = "print a shell's completion script, or the JSON Schema of --config files",
          .arguments = {{.name = "WHAT",
                         .help = "bash, zsh, fish or config-schema",
                         .words = {"bash", "zsh", "fish", "config-schema"}}},
          .examples = {"completions bash > ~/.local/share/bash-completion/completions/mpsearch",
                       "completions config-schema > mpsearch.schema.json"},
          .run = run};
}

}  // namespace mpsearch
