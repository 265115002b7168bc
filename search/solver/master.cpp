#include "search/solver/master.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace mpsearch::solver {
namespace {

/// minimise sum value w + high p - low q  over  sum w = 1,  p - q = sum slope w,  all >= 0. The
/// columns are the planes (w), then p and q of each row.
class Simplex {
 public:
  explicit Simplex(const MasterProblem& problem)
      : problem_(problem), planes_(problem.value.size()), rows_(problem.low.size() + 1) {
    // Start at the first plane, each slope balanced by its p or q.
    basis_.assign(rows_, 0);
    in_basis_.assign(columns(), 0);
    inverse_.assign(rows_ * rows_, 0);
    solution_.assign(rows_, 1);
    inverse_[0] = 1;
    for (std::size_t r = 1; r < rows_; ++r) {
      const double slope = problem.slope[0][r - 1];
      const double sign = slope >= 0 ? 1 : -1;
      basis_[r] = planes_ + 2 * (r - 1) + (slope >= 0 ? 0 : 1);
      inverse_[r * rows_ + r] = sign;
      inverse_[r * rows_] = sign * slope;
      solution_[r] = std::fabs(slope);
    }
    for (const std::size_t column : basis_) in_basis_[column] = 1;
  }

  MasterSolution run() {
    const std::size_t patience = 20 * (rows_ + planes_) + 200;
    std::vector<double> duals;
    for (std::size_t round = 0; round < patience; ++round) {
      duals = multipliers();
      const std::size_t entering = choose(duals, round > patience / 2);
      if (entering == columns() || !pivot(entering)) break;
    }
    MasterSolution solution;
    solution.theta = duals[0];
    solution.multiplier.assign(duals.begin() + 1, duals.end());
    for (std::size_t r = 0; r + 1 < rows_; ++r)
      solution.multiplier[r] =
          std::clamp(solution.multiplier[r], problem_.low[r], problem_.high[r]);
    solution.weight.assign(planes_, 0);
    for (std::size_t r = 0; r < rows_; ++r)
      if (basis_[r] < planes_) solution.weight[basis_[r]] = std::max(0.0, solution_[r]);
    return solution;
  }

 private:
  std::size_t columns() const { return planes_ + 2 * (rows_ - 1); }

  double cost(std::size_t column) const {
    if (column < planes_) return problem_.value[column];
    const std::size_t r = (column - planes_) / 2;
    return (column - planes_) % 2 == 0 ? problem_.high[r] : -problem_.low[r];
  }

  /// entry of the column in a row of the constraint matrix
  double entry(std::size_t column, std::size_t row) const {
    if (column < planes_) return row == 0 ? 1 : -problem_.slope[column][row - 1];
    if (row != (column - planes_) / 2 + 1) return 0;
    return (column - planes_) % 2 == 0 ? 1 : -1;
  }

  std::vector<double> multipliers() const {
    std::vector<double> duals(rows_, 0);
    for (std::size_t r = 0; r < rows_; ++r) {
      const double c = cost(basis_[r]);
      for (std::size_t i = 0; i < rows_; ++i) duals[i] += c * inverse_[r * rows_ + i];
    }
    return duals;
  }

  /// The column of the most negative reduced cost, or the first negative one; columns(): optimal.
  std::size_t choose(const std::vector<double>& duals, bool first) const {
    std::size_t best = columns();
    double most = 0;
    for (std::size_t c = 0; c < columns(); ++c) {
      if (in_basis_[c] != 0) continue;
      double reduced = cost(c);
      double size = std::fabs(reduced);
      if (c < planes_) {
        const double* const slope = problem_.slope[c].data();
        reduced -= duals[0];
        size += std::fabs(duals[0]);
        for (std::size_t r = 1; r < rows_; ++r) {
          const double part = duals[r] * slope[r - 1];
          reduced += part;
          size += std::fabs(part);
        }
      } else {
        const double dual = duals[(c - planes_) / 2 + 1];
        reduced -= (c - planes_) % 2 == 0 ? dual : -dual;
        size += std::fabs(dual);
      }
      if (reduced >= most || reduced > -1e-13 * size) continue;
      best = c;
      if (first) return best;
      most = reduced;
    }
    return best;
  }

  bool pivot(std::size_t entering) {
    std::vector<double> direction(rows_, 0);
    for (std::size_t r = 0; r < rows_; ++r)
      for (std::size_t i = 0; i < rows_; ++i)
        direction[r] += inverse_[r * rows_ + i] * entry(entering, i);
    std::size_t leaving = rows_;
    double least = 0;
    for (std::size_t r = 0; r < rows_; ++r) {
      if (direction[r] <= 1e-11) continue;
      const double ratio = solution_[r] / direction[r];
      const bool better = leaving == rows_ || ratio < least - 1e-15 ||
                          (ratio <= least + 1e-15 && basis_[r] < basis_[leaving]);
      if (!better) continue;
      leaving = r;
      least = ratio;
    }
    if (leaving == rows_) return false;
    const double scale = 1 / direction[leaving];
    for (std::size_t i = 0; i < rows_; ++i) inverse_[leaving * rows_ + i] *= scale;
    solution_[leaving] *= scale;
    for (std::size_t r = 0; r < rows_; ++r) {
      if (r == leaving || direction[r] == 0) continue;
      for (std::size_t i = 0; i < rows_; ++i)
        inverse_[r * rows_ + i] -= direction[r] * inverse_[leaving * rows_ + i];
      solution_[r] = std::max(0.0, solution_[r] - direction[r] * solution_[leaving]);
    }
    in_basis_[basis_[leaving]] = 0;
    in_basis_[entering] = 1;
    basis_[leaving] = entering;
    return true;
  }

  const MasterProblem& problem_;
  std::size_t planes_;
  std::size_t rows_;
  std::vector<std::size_t> basis_;
  std::vector<char> in_basis_;
  std::vector<double> inverse_;
  std::vector<double> solution_;
};

}  // namespace

MasterSolution solve_master(const MasterProblem& problem) { return Simplex(problem).run(); }

}  // namespace mpsearch::solver
