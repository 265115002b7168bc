#include "search/solver/problem_json.h"

#include <random>

#include <gtest/gtest.h>

#include "kernels/error.h"
#include "tests/support/solver_random.h"

namespace mpsearch {
namespace {

const char* const kGood = R"({"version":1,"objective":"ms",
 "limits":{"bytes":100,"ms":null,"sensitivity":2.5},"events":4,"base":[0,1,2,3],
 "tensors":[{"name":"x","bytes":{"F32":8,"BF16":4},"written":null,
             "casts":[{"from":"F32","to":"BF16","event":1,"ms":0.5}]},
            {"name":"data","bytes":{"F32":8},"written":["F32",0],"casts":[]}],
 "layers":[{"name":"a","options":[{"name":"o","ms":1,"sensitivity":0,"bytes":[[0,3,5]],
             "writes":[[0,"F32",1,3]],"reads":[[1,"F32",1]]}]},
           {"name":"b","options":[{"name":"p","ms":1,"sensitivity":0,"bytes":[],
             "writes":[],"reads":[[0,"BF16",2]]}]}],
 "pairs":[{"a":0,"b":1,"terms":[{"a_option":0,"b_option":0,"ms":0,"sensitivity":0,
             "bytes":[[1,2,-3]]}]}]})";

std::string with(std::string from, const std::string& to) {
  std::string text = kGood;
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string fault_of(const std::string& text) {
  try {
    read_problem(text, "p.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::BadContent);
    return error.text().at + " | " + error.text().why + " | " + error.text().try_;
  }
  return "no fault";
}

TEST(ProblemFile, ReadsEveryField) {
  const Problem problem = read_problem(kGood, "p.json");
  EXPECT_EQ(problem.objective, Objective::Ms);
  EXPECT_EQ(problem.limits.bytes, 100);
  EXPECT_FALSE(problem.limits.ms.has_value());
  EXPECT_EQ(problem.limits.sensitivity, 2.5);
  EXPECT_EQ(problem.base, (std::vector<std::int64_t>{0, 1, 2, 3}));
  ASSERT_EQ(problem.tensors.size(), 2U);
  EXPECT_EQ(problem.tensors[0].forms[1].name, "BF16");
  EXPECT_EQ(problem.tensors[0].casts[0].ms, 0.5);
  EXPECT_EQ(problem.tensors[1].written->event, 0);
  EXPECT_EQ(problem.layers[0].options[0].writes[0].events, (std::vector<int>{1, 3}));
  EXPECT_EQ(problem.layers[1].options[0].reads[0].form, 1);
  EXPECT_EQ(problem.pairs[0].terms[0].bytes[0].bytes, -3);
}

TEST(ProblemFile, WritesWhatItReads) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const std::string text = write_problem(testing::RandomProblem(seed).draw());
    EXPECT_EQ(write_problem(read_problem(text, "p.json")), text);
  }
}

TEST(ProblemFile, NamesTheFaultAndItsPlace) {
  const std::vector<std::vector<std::string>> cases = {
      {"\"version\":1", "\"version\":2", "p.json: version | this program reads version 1 | "},
      {"\"ms\",", "\"time\",", "p.json: objective | it must be \"sensitivity\" or \"ms\" | "},
      {"\"limits\":", "\"limit\":", "p.json | unknown key \"limit\" | did you mean \"limits\"?"},
      {"\"bytes\":100,", "", "p.json: limits | key \"bytes\" is missing | "},
      {"\"bytes\":100,", "\"bytes\":99.5,", "p.json: limits.bytes | it must be an integer | "},
      {"2.5", "1e999", "p.json | "},
      {"2.5", "NaN", "p.json | "},
      {"[0,1,2,3]", "[0,1,2]", "p.json: base | it has 3 entries for 4 events | "},
      {"[0,1,2,3]", "[0,1,2,-3]", "p.json: base[3] | bytes are negative | "},
      {"[0,1,2,3]", "[0,1,2,9223372036854775807]",
       "p.json: bytes | their sum overflows 64 bits | "},
      {"[0,1,2,3]", "[0,1,2,9223372036854775808]",
       "p.json: base[3] | the number does not fit 64 bits | "},
      {"\"F32\":8,\"BF16\":4", "\"F32\":8",
       "p.json: tensors[0].casts[0].to | the tensor has no bytes for form \"BF16\" | "},
      {"\"F32\":8,\"BF16\":4", "\"F32\":8,\"BF16\":-4",
       "p.json: tensors[0].bytes.BF16 | bytes are negative | "},
      {"\"event\":1,\"ms\":0.5}",
       "\"event\":1,\"ms\":0.5},{\"from\":\"F32\",\"to\":\"BF16\",\"event\":0,\"ms\":1}",
       "p.json: tensors[0].casts[1] | a second cast from F32 to BF16 | "},
      {"\"event\":1,\"ms\":0.5", "\"event\":3,\"ms\":0.5",
       "p.json: layers[1].options[0].reads[0] | it uses tensor 0 as BF16 at event 2, but that cast "
       "from F32 happens at event 3, later | "},
      {"\"event\":1,\"ms\":0.5", "\"event\":4,\"ms\":0.5",
       "p.json: tensors[0].casts[0] | event 4 is outside 0 to 3 | "},
      {"[[0,3,5]]", "[[0,4,5]]",
       "p.json: layers[0].options[0].bytes[0] | event 4 is outside 0 to 3 | "},
      {"[[0,3,5]]", "[[3,0,5]]",
       "p.json: layers[0].options[0].bytes[0] | the interval ends at 0, before it begins at 3 | "},
      {"[[0,3,5]]", "[[0,3,-5]]",
       "p.json: layers[0].options[0].bytes[0] | bytes are negative: only pair terms may have "
       "negative bytes | "},
      {"[0,\"BF16\",2]", "[0,\"BF16\",0]",
       "p.json: layers[1].options[0].reads[0] | it uses tensor 0 at event 0, before "
       "layers[0].options[0] writes it at event 1 | "},
      {"[0,\"BF16\",2]", "[2,\"BF16\",2]",
       "p.json: layers[1].options[0].reads[0] | there is no tensor 2 | "},
      {"[0,\"BF16\",2]", "[0,\"BF16\"]",
       "p.json: layers[1].options[0].reads[0] | it must be [tensor, form, event, ...] | "},
      {"\"writes\":[],", "\"writes\":[[0,\"F32\",1]],",
       "p.json: layers[1].options[0] | tensor 0 is already written by layer 0 | "},
      {"\"writes\":[],", "\"writes\":[[1,\"F32\",1]],",
       "p.json: layers[1].options[0] | tensor 1 is given, so no layer may write it | "},
      {"[[0,\"F32\",1,3]]", "[]", "p.json: tensors[0] | no layer writes it and it is not given | "},
      {"\"b\":1,\"terms\"", "\"b\":2,\"terms\"",
       "p.json: pairs[0].b | there is no layer 2: they are numbered 0 to 1 | "},
      {"\"b_option\":0", "\"b_option\":1",
       "p.json: pairs[0].terms[0].b_option | there is no option 1: they are numbered 0 to 0 | "},
      {"\"options\":[{\"name\":\"p\"", "\"options\":[],\"x\":[{\"name\":\"p\"",
       "p.json: layers[1] | unknown key \"x\" | "},
  };
  for (const std::vector<std::string>& c : cases) {
    const std::string fault = fault_of(with(c[0], c[1]));
    EXPECT_EQ(fault.substr(0, c[2].size()), c[2]) << c[0] << " -> " << c[1] << ": " << fault;
  }
}

TEST(ProblemFile, RefusesALayerWithoutOptionsAndATensorThatOnlySomeOptionsWrite) {
  Problem problem = read_problem(kGood, "p.json");
  problem.layers[1].options.clear();
  EXPECT_THROW(validate(problem), Error);
  problem = read_problem(kGood, "p.json");
  problem.layers[0].options.push_back(problem.layers[0].options[0]);
  problem.layers[0].options[1].writes.clear();
  EXPECT_THROW(validate(problem), Error);
}

TEST(ProblemFile, SurvivesMutatedText) {
  std::mt19937_64 random(7);
  const std::string good = kGood;
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    const int edits = 1 + static_cast<int>(random() % 4);
    for (int e = 0; e < edits && !text.empty(); ++e) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 8);
          break;
        case 2:
          text.insert(at, good.substr(random() % good.size(), random() % 16));
          break;
        default:
          text[at] = "0123456789-.e[]{},:\"n"[random() % 21];
      }
    }
    if (fault_of(text) != "no fault") ++refused;
  }
  EXPECT_GT(refused, 3700);
}

TEST(ProblemFile, SurvivesDeepNesting) {
  EXPECT_NE(fault_of(std::string(200000, '[')), "no fault");
  EXPECT_NE(fault_of(std::string(100000, '[') + std::string(100000, ']')), "no fault");
}

}  // namespace
}  // namespace mpsearch
