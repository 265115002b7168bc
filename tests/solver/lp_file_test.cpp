#include "search/solver/lp_file.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/support/solver_random.h"
#include "tests/support/solver_reference.h"

namespace mpsearch {
namespace {

/// The rows of an LP file as name -> (column -> factor), read without regard to line ends.
std::map<std::string, std::map<std::string, double>> rows_of(const std::string& text) {
  std::map<std::string, std::map<std::string, double>> rows;
  std::istringstream words(text.substr(0, text.find("Bounds\n")));
  std::string word;
  std::string row;
  double sign = 1;
  double factor = 1;
  while (words >> word) {
    if (word.back() == ':')
      row = word.substr(0, word.size() - 1);
    else if (word == "+" || word == "-")
      sign = word == "-" ? -1 : 1;
    else if (std::isdigit(word[0]) != 0)
      factor = sign * std::stod(word);
    else if (!row.empty() && std::isalpha(word[0]) != 0)
      rows[row][word] = factor;
  }
  return rows;
}

TEST(LpFile, OptionColumnsCarryTheOptionsCostsAndEveryEventHasItsRow) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Problem problem = testing::RandomProblem(seed).draw();
    const std::string text = write_lp(problem);
    auto rows = rows_of(text);
    for (std::size_t l = 0; l < problem.layers.size(); ++l)
      for (std::size_t o = 0; o < problem.layers[l].options.size(); ++o) {
        const ProblemOption& option = problem.layers[l].options[o];
        const bool paired =
            std::any_of(problem.pairs.begin(), problem.pairs.end(), [&](const ProblemPair& pair) {
              return pair.a == pair.b && pair.a == static_cast<int>(l);
            });
        const double cost = problem.objective == Objective::Ms ? option.ms : option.sensitivity;
        const std::string name = "x" + std::to_string(l) + "_" + std::to_string(o);
        if (!paired) {
          EXPECT_DOUBLE_EQ(rows["obj"][name], cost) << "seed " << seed;
        }
        EXPECT_NE(text.find("\n " + name + "\n", text.find("Binaries")), std::string::npos);
      }
    for (int e = 0; e < problem.events; ++e)
      EXPECT_NE(text.find(" event" + std::to_string(e) + "u:"), std::string::npos);
  }
}

TEST(LpFile, TheFlowHasEveryOptionAndNoEventRow) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Problem problem = testing::RandomProblem(seed).draw();
    const std::optional<std::string> text = write_flow_lp(problem);
    if (!text) continue;  // no choice at all
    EXPECT_EQ(text->find("event0u:"), std::string::npos);
    for (std::size_t l = 0; l < problem.layers.size(); ++l)
      for (std::size_t o = 0; o < problem.layers[l].options.size(); ++o) {
        const std::string name = "x" + std::to_string(l) + "_" + std::to_string(o);
        EXPECT_NE(text->find(name), std::string::npos) << "seed " << seed;
      }
  }
}

}  // namespace
}  // namespace mpsearch
