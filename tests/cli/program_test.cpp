// The executable as a whole: its tables, its errors word for word, its exit codes.
#include <csignal>

#include <algorithm>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "search/cli/error_text.h"
#include "search/cli/exit_code.h"
#include "search/cli/signals.h"
#include "search/cli/verb.h"
#include "tests/cli/run_command.h"

namespace mpsearch {
namespace {

using test::Outcome;
using test::run_command;
using test::TemporaryFolder;

TEST(ErrorText, HasALinePerPartAndIndentsFurtherLines) {
  const ErrorText text{.what = "2 of 9 nodes cannot be trained",
                       .at = "net.onnx",
                       .why = "Foo  2\nBar  1",
                       .try_ = "mpsearch ops"};
  EXPECT_EQ(error_text(text, false),
            "error: 2 of 9 nodes cannot be trained\n"
            "  at: net.onnx\n"
            "  why: Foo  2\n"
            "       Bar  1\n"
            "  try: mpsearch ops\n");
  EXPECT_EQ(error_text({.what = "x", .at = {}, .why = {}, .try_ = {}}, false), "error: x\n");
}

TEST(ExitCode, IsOfSysexitsWhereThereIsOne) {
  EXPECT_EQ(exit_code(ErrorKind::GoalNotMet), 1);
  EXPECT_EQ(exit_code(ErrorKind::Internal), 2);
  EXPECT_EQ(exit_code(ErrorKind::Usage), 64);
  EXPECT_EQ(exit_code(ErrorKind::BadContent), 65);
  EXPECT_EQ(exit_code(ErrorKind::Missing), 66);
  EXPECT_EQ(exit_code(ErrorKind::Unavailable), 69);
  EXPECT_EQ(exit_code(ErrorKind::CannotCreate), 73);
  EXPECT_EQ(exit_code(ErrorKind::InputOutput), 74);
  EXPECT_EQ(exit_code(ErrorKind::OutOfMemory), 75);
  EXPECT_EQ(exit_code(ErrorKind::Interrupted), 130);
}

TEST(OptionTable, NamesOnlyVerbsThatExistAndIsWellFormed) {
  std::set<std::string_view> names;
  std::set<char> letters;
  for (const OptionSpec& spec : option_table()) {
    EXPECT_TRUE(names.insert(spec.name).second) << spec.name;
    EXPECT_TRUE(spec.letter == 0 || letters.insert(spec.letter).second) << spec.name;
    EXPECT_FALSE(spec.help.empty()) << spec.name;
    EXPECT_FALSE(spec.group.empty()) << spec.name;
    EXPECT_EQ(spec.value.empty(), spec.type == OptionType::Flag) << spec.name;
    EXPECT_EQ(spec.type == OptionType::Word, !spec.words.empty() &&
                                                 spec.type != OptionType::Integer &&
                                                 spec.type != OptionType::Number)
        << spec.name;
    std::string verbs(spec.verbs == "*" ? "" : spec.verbs);
    for (const Verb& verb : all_verbs()) {
      if (spec.verbs != "*" && belongs_to(spec, verb.name))
        verbs.erase(verbs.find(verb.name), verb.name.size());
    }
    EXPECT_EQ(std::count_if(verbs.begin(), verbs.end(), [](char c) { return c != ' '; }), 0)
        << spec.name << " names an unknown verb: " << spec.verbs;
    if (!spec.fallback.empty()) {
      Options options({&spec});
      EXPECT_NO_THROW(options.set(spec, {std::string(spec.fallback)}, spec.name)) << spec.name;
    }
  }
  for (const Verb& verb : all_verbs()) {
    EXPECT_FALSE(verb.summary.empty()) << verb.name;
    EXPECT_FALSE(verb.examples.empty()) << verb.name;
    EXPECT_NE(verb.run, nullptr) << verb.name;
  }
}

TEST(Program, WithoutWordsShowsItsHelpAsAUsageError) {
  const TemporaryFolder folder;
  const Outcome outcome = run_command(folder, {});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_NE(outcome.out.find("Usage: mpsearch COMMAND"), std::string::npos);
  EXPECT_EQ(run_command(folder, {"--help"}).status, 0);
  EXPECT_EQ(run_command(folder, {"--version"}).out.substr(0, 9), "mpsearch ");
}

TEST(Program, EveryVerbHasBothHelps) {
  const TemporaryFolder folder;
  for (const Verb& verb : all_verbs()) {
    for (const char* flag : {"-h", "--help"}) {
      const Outcome outcome = run_command(folder, {std::string(verb.name), flag});
      EXPECT_EQ(outcome.status, 0) << verb.name;
      EXPECT_NE(outcome.out.find("Examples:"), std::string::npos) << verb.name;
    }
  }
}

TEST(Program, SaysUsageErrorsOnStderrOnly) {
  const TemporaryFolder folder;
  const Outcome outcome = run_command(folder, {"completions", "bash", "--jsn"});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err,
            "error: unknown option --jsn\n"
            "  why: it is no option of completions\n"
            "  try: did you mean --json?\n");
}

TEST(Program, CannotLogIntoAFolderThatIsNotThere) {
  const TemporaryFolder folder;
  folder.write("file", "");
  const Outcome outcome =
      run_command(folder, {"completions", "bash", "--log-file", "file/below/run.log"});
  EXPECT_EQ(outcome.status, 73);
  EXPECT_EQ(outcome.err.substr(0, 60),
            "error: cannot open the log file\n  at: file/below/run.log\n  w");
}

TEST(Program, AFullDiskBehindStdoutIsAnError) {
  const TemporaryFolder folder;
  const std::string command =
      std::string(MPSEARCH_EXECUTABLE) + " completions bash >/dev/full 2>" + folder.path("err");
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 74);
}

TEST(Program, AClosedPipeIsQuiet) {
  const TemporaryFolder folder;
  const std::string command = "bash -o pipefail -c '" + std::string(MPSEARCH_EXECUTABLE) +
                              " completions zsh 2>" + folder.path("err") + " | true'";
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(test::read_text(folder.path("err")), "");
}

TEST(Schema, OfTheConfigurationFileIsTheOneInDocs) {
  const TemporaryFolder folder;
  EXPECT_EQ(run_command(folder, {"completions", "config-schema"}).out,
            test::read_text(MPSEARCH_SOURCE_DIR "/docs/schemas/config.schema.json"))
      << "run: mpsearch completions config-schema > docs/schemas/config.schema.json";
}

TEST(SignalsDeathTest, TheFirstAsksForAStopAndTheSecondStops) {
  EXPECT_EXIT(
      {
        install_signals();
        const bool before = stop_requested();
        raise(SIGINT);
        const bool after = stop_requested();
        if (before || !after) std::exit(1);
        raise(SIGINT);
        std::exit(2);
      },
      testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace mpsearch
