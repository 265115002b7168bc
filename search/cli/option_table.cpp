#include "search/cli/options.h"

namespace mpsearch {

std::span<const OptionSpec> option_table() {
  using enum OptionType;
  static const std::vector<OptionSpec> table{
      {.name = "json",
       .help = "one JSON object on stdout instead of text (docs/schemas)",
       .verbs = "*",
       .group = "Messages",
       .common = true},
      {.name = "quiet",
       .letter = 'q',
       .help = "errors and warnings only on stderr",
       .verbs = "*",
       .group = "Messages"},
      {.name = "verbose",
       .letter = 'v',
       .help = "more detail on stderr",
       .verbs = "*",
       .group = "Messages"},
      {.name = "log-file",
       .type = Path,
       .value = "FILE",
       .help = "append every message, with its time, to a file",
       .verbs = "*",
       .group = "Messages"},
      {.name = "config",
       .type = Path,
       .value = "FILE.toml",
       .help = "options from a file; flags and environment (MPSEARCH_NAME) come first",
       .verbs = "*",
       .group = "Messages"},
  };
  return table;
}

}  // namespace mpsearch
