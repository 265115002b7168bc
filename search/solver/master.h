// The small linear program of the dual's cutting planes. Used by the dual only.
#pragma once

#include <vector>

namespace mpsearch::solver {

/// maximise theta with theta <= value[k] + sum over rows of multiplier x slope[k][row], and each
/// multiplier within low..high.
struct MasterProblem {
  std::vector<double> value;
  std::vector<double> slope;  // [plane x rows + row]
  std::vector<double> low, high;
};

/// What a solution rests on: planes by their number, the lower and upper end of row r's multiplier
/// as -1 - 2 r and -2 - 2 r. Good to start from when planes or rows came last, or ends moved.
using MasterBasis = std::vector<int>;

/// `weight` are the convex multipliers of the planes: their mixed slope is what the rows still ask.
struct MasterSolution {
  double theta = 0;
  std::vector<double> multiplier;
  std::vector<double> weight;
};

/// Primal simplex on the dual of the program (convex combination of the planes), one row more than
/// multipliers. Needs at least one plane. Starts from `basis` where that is one, and leaves the
/// last.
MasterSolution solve_master(const MasterProblem& problem, MasterBasis& basis);

}  // namespace mpsearch::solver
