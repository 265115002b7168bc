#include "search/cli/dump_problem.h"

#include "models/stored/atomic_file.h"
#include "search/solver/lp_file.h"
#include "search/solver/problem_json.h"

namespace mpsearch {

void dump_problem(const Options& options, const Problem& problem) {
  if (options.given("dump-problem")) {
    write_file_atomically(options.text("dump-problem"), write_problem(problem), "the problem");
  }
  if (options.given("dump-lp")) {
    // The flow where it is small enough: other solvers take it far better than the plain model.
    const std::optional<std::string> flow = write_flow_lp(problem);
    write_file_atomically(options.text("dump-lp"), flow ? *flow : write_lp(problem),
                          "the linear program");
  }
}

}  // namespace mpsearch
