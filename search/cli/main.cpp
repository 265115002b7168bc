// The only main and the only catch: runs a command and turns failures into text and exit status.
#include <cstdio>
#include <cstdlib>
#include <new>

#include <unistd.h>

#include "search/cli/error_text.h"
#include "search/cli/exit_code.h"
#include "search/cli/help.h"
#include "search/cli/parse.h"
#include "search/cli/paths.h"
#include "search/cli/signals.h"
#include "search/cli/spinning.h"
#include "search/cli/standard_streams.h"

namespace mpsearch {
namespace {

int run_verb(const CommandSet& set, const Invocation& invocation, Console& console) {
  for (const std::string& warning : unknown_variables(set, environ)) console.warn(warning);
  try {
    check_paths(invocation);
    return invocation.verb->run(invocation, console);
  } catch (const Error& error) {
    console.log(error_text(error.text(), /*colour=*/false));
    throw;
  }
}

int run(const std::vector<std::string>& words) {
  const CommandSet set = commands();
  const Invocation invocation = parse_command_line(
      set, words, [](const std::string& name) { return std::getenv(name.c_str()); });
  ConsoleOptions options;
  if (invocation.help == Help::None) {
    options = {.json = invocation.options.flag("json"),
               .quiet = invocation.options.flag("quiet"),
               .verbose = invocation.options.flag("verbose"),
               .log_file = invocation.options.text("log-file")};
  }
  Console console(options);
  if (invocation.help == Help::Version) {
    console.print(version_text());
  } else if (invocation.help != Help::None) {
    console.print(help_text(set, invocation.verb, invocation.help == Help::Full, console.width()));
  } else {
    return run_verb(set, invocation, console);
  }
  // Nothing asked for is a usage error, although it is answered by the help.
  return words.empty() ? exit_code(ErrorKind::Usage) : kExitOk;
}

int report(ErrorKind kind, const ErrorText& text) {
  std::fputs(error_text(text, colour_on_stderr()).c_str(), stderr);
  return exit_code(kind);
}

}  // namespace
}  // namespace mpsearch

int main(int count, char** words) {
  using namespace mpsearch;
  fill_standard_streams();
  limit_spinning(words);
  install_signals();
  try {
    return run({words + 1, words + count});
  } catch (const Error& error) {
    return report(error.kind(), error.text());
  } catch (const std::bad_alloc&) {
    return report(ErrorKind::OutOfMemory,
                  {.what = "out of memory",
                   .at = {},
                   .why = "the system refused an allocation",
                   .try_ = "a smaller --batch, or a machine with more memory"});
  } catch (const std::exception& error) {
    return report(ErrorKind::Internal,
                  {.what = error.what(),
                   .at = {},
                   .why = "an unexpected exception, which is a defect of mpsearch",
                   .try_ = "please report it with the command and the model"});
  } catch (...) {
    return report(ErrorKind::Internal, {.what = "an unknown exception",
                                        .at = {},
                                        .why = "which is a defect of mpsearch",
                                        .try_ = "please report it with the command and the model"});
  }
}
