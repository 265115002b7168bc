#include "search/cli/parse.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "search/cli/completions.h"
#include "search/cli/config_file.h"
#include "search/cli/help.h"
#include "tests/cli/run_command.h"

namespace mpsearch {
namespace {

const std::vector<Verb>& test_verbs() {
  static const std::vector<Verb> verbs{
      {.name = "plan",
       .summary = "find a plan",
       .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
       .examples = {"plan lenet.onnx --budget 10MiB"}},
      {.name = "train",
       .summary = "train it",
       .arguments = {{.name = "MODEL.onnx", .help = "the network"}},
       .examples = {"train lenet.onnx"}}};
  return verbs;
}

const std::vector<OptionSpec>& test_options() {
  using enum OptionType;
  static const std::vector<OptionSpec> options{
      {.name = "budget",
       .type = Size,
       .value = "SIZE",
       .help = "limit",
       .verbs = "plan",
       .group = "Plan",
       .common = true},
      {.name = "batch",
       .type = Integer,
       .value = "N|auto",
       .fallback = "32",
       .help = "samples",
       .verbs = "plan train",
       .group = "Run",
       .words = {"auto"},
       .low = 1},
      {.name = "lr",
       .type = Number,
       .value = "RATE",
       .fallback = "1e-3",
       .help = "rate",
       .verbs = "train",
       .group = "Run",
       .low = 0},
      {.name = "pin",
       .type = Text,
       .value = "GLOB=P",
       .help = "fix",
       .verbs = "plan",
       .group = "Plan",
       .repeats = true},
      {.name = "device",
       .type = Word,
       .value = "NAME",
       .fallback = "cpu",
       .help = "where",
       .verbs = "*",
       .group = "Run",
       .words = {"cpu", "cuda"}},
      {.name = "output",
       .letter = 'o',
       .type = Path,
       .value = "FILE",
       .help = "file",
       .verbs = "*",
       .group = "Run"},
      {.name = "json", .help = "as JSON", .verbs = "*", .group = "Run"},
      {.name = "config",
       .type = Path,
       .value = "FILE",
       .help = "file",
       .verbs = "*",
       .group = "Run"}};
  return options;
}

CommandSet test_set() { return {test_verbs(), test_options()}; }

Invocation parse(const std::vector<std::string>& words,
                 const std::map<std::string, std::string>& environment = {}) {
  return parse_command_line(test_set(), words, [&](const std::string& name) {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

Error error_of(const std::vector<std::string>& words,
               const std::map<std::string, std::string>& environment = {}) {
  try {
    parse(words, environment);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorKind::Internal, "no error");
}

TEST(Parse, AWordThatLooksLikeAFileMeansPlan) {
  EXPECT_EQ(parse({"lenet.onnx"}).verb->name, "plan");
  EXPECT_EQ(parse({"models/lenet"}).verb->name, "plan");
  EXPECT_EQ(parse({"--budget", "1GiB", "lenet.onnx"}).arguments,
            std::vector<std::string>{"lenet.onnx"});
  EXPECT_EQ(parse({"train", "lenet.onnx"}).verb->name, "train");
  EXPECT_EQ(parse({"--json", "train", "lenet.onnx"}).verb->name, "train");
  EXPECT_EQ(parse({"plan", "train"}).arguments, std::vector<std::string>{"train"});
}

TEST(Parse, AnExistingFileWithoutADotMeansPlanToo) {
  const test::TemporaryFolder folder;
  folder.write("net", "");
  const test::Outcome outcome = test::run_command(folder, {"nett"});
  EXPECT_EQ(outcome.status, 64);
  EXPECT_EQ(parse({folder.path("net")}).verb->name, "plan");
}

TEST(Parse, AMistypedVerbNamesTheNearest) {
  const Error error = error_of({"trian", "lenet.onnx"});
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_STREQ(error.what(), "'trian' is neither a command nor a file");
  EXPECT_EQ(error.text().try_, "did you mean train?");
}

TEST(Parse, AMistypedFlagNamesTheNearest) {
  const Error error = error_of({"plan", "lenet.onnx", "--bugdet=1GiB"});
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_STREQ(error.what(), "unknown option --bugdet");
  EXPECT_EQ(error.text().try_, "did you mean --budget?");
}

TEST(Parse, AFlagOfAnotherVerbIsSaidToBeOne) {
  const Error error = error_of({"train", "lenet.onnx", "--budget", "1GiB"});
  EXPECT_STREQ(error.what(), "--budget is no option of train");
  EXPECT_EQ(error.text().why, "it belongs to plan");
}

TEST(Parse, ValuesAreCheckedByType) {
  EXPECT_EQ(error_of({"train", "x.onnx", "--batch", "0"}).text().why, "it must be at least 1");
  EXPECT_EQ(error_of({"train", "x.onnx", "--batch", "1.5"}).text().why,
            "it must be a whole number or one of auto");
  EXPECT_EQ(error_of({"train", "x.onnx", "--lr", "fast"}).text().why, "it must be a number");
  EXPECT_EQ(error_of({"train", "x.onnx", "--device", "cud"}).text().try_, "did you mean cuda?");
  EXPECT_EQ(error_of({"plan", "x.onnx", "--budget", "512"}).text().why, "a size needs a unit");
  EXPECT_EQ(error_of({"train", "x.onnx", "--lr"}).kind(), ErrorKind::Usage);
  const Invocation fine = parse({"train", "x.onnx", "--batch", "auto", "--lr=2e-3"});
  EXPECT_FALSE(fine.options.is_number("batch"));
  EXPECT_EQ(fine.options.number("lr"), 2e-3);
}

TEST(Parse, RepeatableOptionsKeepAllAndOthersTheLast) {
  const Invocation run =
      parse({"plan", "--pin", "a=fp32", "x.onnx", "--pin", "b=fp8", "-o", "1", "-o2"});
  EXPECT_EQ(run.options.list("pin"), (std::vector<std::string>{"a=fp32", "b=fp8"}));
  EXPECT_EQ(run.options.text("output"), "2");
  EXPECT_EQ(run.arguments, std::vector<std::string>{"x.onnx"});
}

TEST(Parse, WordsBehindTwoDashesAreArguments) {
  EXPECT_EQ(parse({"plan", "--", "--json"}).arguments, std::vector<std::string>{"--json"});
}

TEST(Parse, MissingAndSuperfluousArgumentsAreNamed) {
  EXPECT_STREQ(error_of({"plan"}).what(), "plan needs MODEL.onnx");
  EXPECT_STREQ(error_of({"plan", "a.onnx", "b.onnx"}).what(), "unexpected argument 'b.onnx'");
}

TEST(Parse, FlagsComeBeforeEnvironmentBeforeFileBeforeDefault) {
  const test::TemporaryFolder folder;
  folder.write("run.toml",
               "lr = 0.25\ndevice = \"cuda\"\nbatch = 8\njson = true\n[train]\nbatch = 16\n");
  const std::string file = folder.path("run.toml");
  const std::map<std::string, std::string> environment{
      {"MPSEARCH_DEVICE", "cpu"}, {"MPSEARCH_CONFIG", file}, {"MPSEARCH_LR", "0.5"}};
  const Options options = parse({"train", "x.onnx", "--lr", "1"}, environment).options;
  EXPECT_EQ(options.number("lr"), 1);
  EXPECT_EQ(options.text("device"), "cpu");
  EXPECT_EQ(options.integer("batch"), 16);
  EXPECT_TRUE(options.flag("json"));
  EXPECT_EQ(parse({"plan", "x.onnx", "--config", file}).options.integer("batch"), 8);
  EXPECT_EQ(parse({"plan", "x.onnx"}).options.integer("batch"), 32);
}

TEST(Parse, AListInTheFileRepeatsTheOption) {
  const test::TemporaryFolder folder;
  folder.write("run.toml", "[plan]\npin = [\"a=fp32\", \"b=fp8\"]\n");
  EXPECT_EQ(parse({"x.onnx", "--config", folder.path("run.toml")}).options.list("pin"),
            (std::vector<std::string>{"a=fp32", "b=fp8"}));
}

TEST(Parse, ABadConfigurationIsRefusedWithItsPlace) {
  const test::TemporaryFolder folder;
  folder.write("key.toml", "\nbath = 8\n");
  const Error key = error_of({"x.onnx", "--config", folder.path("key.toml")});
  EXPECT_EQ(key.kind(), ErrorKind::BadContent);
  EXPECT_EQ(key.text().at, folder.path("key.toml") + ", line 2, column 1");
  EXPECT_EQ(key.text().try_, "did you mean batch?");
  folder.write("syntax.toml", "batch = \n");
  EXPECT_EQ(error_of({"x.onnx", "--config", folder.path("syntax.toml")}).kind(),
            ErrorKind::BadContent);
  folder.write("type.toml", "batch = 1979-05-27\n");
  EXPECT_EQ(error_of({"x.onnx", "--config", folder.path("type.toml")}).kind(),
            ErrorKind::BadContent);
  EXPECT_EQ(error_of({"x.onnx", "--config", "none.toml"}).kind(), ErrorKind::Missing);
}

TEST(Parse, HelpWinsOverErrors) {
  EXPECT_EQ(parse({"train", "--nonsense", "-h"}).help, Help::Short);
  EXPECT_EQ(parse({"--help", "train"}).help, Help::Full);
  EXPECT_EQ(parse({"--help", "train"}).verb->name, "train");
  EXPECT_EQ(parse({"--version"}).help, Help::Version);
  EXPECT_EQ(parse({}).help, Help::Short);
}

TEST(Help, IsShortWithExamplesFirstAndFullOnRequest) {
  const std::string brief = help_text(test_set(), test_set().find("plan"), false, 80);
  EXPECT_LT(brief.find("Examples:"), brief.find("Usage:"));
  EXPECT_NE(brief.find("--budget SIZE"), std::string::npos);
  EXPECT_EQ(brief.find("--pin"), std::string::npos);
  const std::string full = help_text(test_set(), test_set().find("plan"), true, 80);
  EXPECT_NE(full.find("--pin GLOB=P"), std::string::npos);
  EXPECT_NE(full.find("samples [32]"), std::string::npos);
  EXPECT_EQ(full.find("--lr"), std::string::npos);
}

TEST(Completions, AreScriptsThatTheirShellsAccept) {
  const test::TemporaryFolder folder;
  folder.write("script", completion_script(test_set(), "bash"));
  folder.write("use",
               "source ./script; COMP_WORDS=(mpsearch train --b); COMP_CWORD=2; _mpsearch; "
               "echo \"${COMPREPLY[@]}\"; COMP_WORDS=(mpsearch plan --device c); "
               "COMP_CWORD=3; _mpsearch; echo \"${COMPREPLY[@]}\"\n");
  const std::string command = "cd " + folder.folder() + " && bash use >out 2>&1";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(test::read_text(folder.path("out")), "--batch\ncpu cuda\n");
  EXPECT_NE(completion_script(test_set(), "zsh").find("'--lr=[rate]:value:_files'"),
            std::string::npos);
  EXPECT_NE(completion_script(test_set(), "fish").find("-l device -r -f -a 'cpu cuda'"),
            std::string::npos);
  EXPECT_THROW(completion_script(test_set(), "csh"), Error);
}

}  // namespace
}  // namespace mpsearch
