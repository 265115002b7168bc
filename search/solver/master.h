// The small linear program of the dual's cutting planes. Used by the dual only.
#pragma once

#include <vector>

namespace mpsearch::solver {

/// maximise theta with theta <= value[k] + sum over rows of multiplier x slope[k][row], and each
/// multiplier within low..high.
struct MasterProblem {
  std::vector<double> value;
  std::vector<std::vector<double>> slope;
  std::vector<double> low, high;
};

/// `weight` are the convex multipliers of the planes: their mixed slope is what the rows still ask.
struct MasterSolution {
  double theta = 0;
  std::vector<double> multiplier;
  std::vector<double> weight;
};

/// Primal simplex on the dual of the program (convex combination of the planes), one row more than
/// multipliers. Needs at least one plane.
MasterSolution solve_master(const MasterProblem& problem);

}  // namespace mpsearch::solver
