#include "search/solver/master.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace mpsearch::solver {
namespace {

/// The multipliers are worked out anew after this many pivots.
constexpr std::size_t kFresh = 16;

/// minimise sum value w + high p - low q  over  sum w = 1,  p - q = sum slope w,  all >= 0. The
/// columns are the planes (w), then p and q of each row.
class Simplex {
 public:
  explicit Simplex(const MasterProblem& problem)
      : problem_(problem), planes_(problem.value.size()), rows_(problem.low.size() + 1) {
    for (std::size_t r = 0; r + 1 < rows_; ++r) cost_.push_back({problem.high[r], -problem.low[r]});
  }

  MasterSolution run(MasterBasis& basis) {
    if (!start_from(basis)) start_at_first_plane();
    in_basis_.assign(columns(), 0);
    for (const std::size_t column : basis_) in_basis_[column] = 1;
    const std::size_t patience = 20 * (rows_ + planes_) + 200;
    find_multipliers();
    std::size_t since = 0;
    for (std::size_t round = 0; round < patience; ++round) {
      const auto [entering, reduced] = choose(round > patience / 2);
      if (entering != columns()) {
        if (!pivot(entering, reduced)) break;
        if (++since < kFresh) continue;
      } else if (since == 0) {
        break;
      }
      find_multipliers();
      since = 0;
    }
    find_multipliers();
    basis.clear();
    for (const std::size_t column : basis_) basis.push_back(name(column));
    MasterSolution solution;
    solution.theta = duals_[0];
    solution.multiplier.assign(duals_.begin() + 1, duals_.end());
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

  int name(std::size_t column) const {
    return column < planes_ ? static_cast<int>(column)
                            : static_cast<int>(planes_) - 1 - static_cast<int>(column);
  }

  const double* slope(std::size_t plane) const {
    return problem_.slope.data() + plane * (rows_ - 1);
  }

  double cost(std::size_t column) const {
    if (column < planes_) return problem_.value[column];
    const std::size_t end = column - planes_;
    return end % 2 == 0 ? cost_[end / 2].first : cost_[end / 2].second;
  }

  /// At the first plane, each slope balanced by its p or q.
  void start_at_first_plane() {
    basis_.assign(rows_, 0);
    inverse_.assign(rows_ * rows_, 0);
    solution_.assign(rows_, 1);
    inverse_[0] = 1;
    for (std::size_t r = 1; r < rows_; ++r) {
      const double first = slope(0)[r - 1];
      const double sign = first >= 0 ? 1 : -1;
      basis_[r] = planes_ + 2 * (r - 1) + (first >= 0 ? 0 : 1);
      inverse_[r * rows_ + r] = sign;
      inverse_[r * rows_] = sign * first;
      solution_[r] = std::fabs(first);
    }
  }

  /// At a basis of before; a row that it does not know is balanced by its p, or by its q.
  bool start_from(const MasterBasis& basis) {
    if (basis.empty() || basis.size() > rows_) return false;
    basis_.clear();
    for (const int column : basis) {
      const std::size_t place =
          column >= 0 ? static_cast<std::size_t>(column)
                      : planes_ + static_cast<std::size_t>(-1 - static_cast<std::int64_t>(column));
      if (column >= static_cast<int>(planes_) || place >= columns()) return false;
      basis_.push_back(place);
    }
    for (std::size_t r = basis_.size(); r < rows_; ++r) basis_.push_back(planes_ + 2 * (r - 1));
    if (!invert()) return false;
    for (std::size_t r = 0; r < rows_; ++r) {
      if (solution_[r] >= 0) continue;
      if (r < basis.size()) return false;
      ++basis_[r];  // the other end: its column is the negative
      for (std::size_t i = 0; i < rows_; ++i) inverse_[r * rows_ + i] *= -1;
      solution_[r] *= -1;
    }
    return true;
  }

  /// The inverse of the basis by elimination, and the solution, which is its first column.
  bool invert() {
    const std::size_t width = 2 * rows_;
    std::vector<double> both(rows_ * width, 0);
    for (std::size_t c = 0; c < rows_; ++c) {
      const std::size_t column = basis_[c];
      if (column < planes_) {
        both[c] = 1;
        for (std::size_t r = 1; r < rows_; ++r) both[r * width + c] = -slope(column)[r - 1];
      } else {
        const std::size_t end = column - planes_;
        both[(end / 2 + 1) * width + c] = end % 2 == 0 ? 1 : -1;
      }
      both[c * width + rows_ + c] = 1;
    }
    for (std::size_t c = 0; c < rows_; ++c) {
      std::size_t best = c;
      for (std::size_t r = c + 1; r < rows_; ++r)
        if (std::fabs(both[r * width + c]) > std::fabs(both[best * width + c])) best = r;
      const double pivot = both[best * width + c];
      if (std::fabs(pivot) < 1e-10) return false;
      if (best != c)
        std::swap_ranges(both.begin() + static_cast<std::ptrdiff_t>(best * width),
                         both.begin() + static_cast<std::ptrdiff_t>((best + 1) * width),
                         both.begin() + static_cast<std::ptrdiff_t>(c * width));
      double* const row = both.data() + c * width;
      for (std::size_t i = c; i < width; ++i) row[i] /= pivot;
      for (std::size_t r = 0; r < rows_; ++r) {
        double* const other = both.data() + r * width;
        const double factor = other[c];
        if (r == c || factor == 0) continue;
        for (std::size_t i = c; i < width; ++i) other[i] -= factor * row[i];
      }
    }
    inverse_.resize(rows_ * rows_);
    solution_.resize(rows_);
    for (std::size_t r = 0; r < rows_; ++r) {
      for (std::size_t i = 0; i < rows_; ++i) inverse_[r * rows_ + i] = both[r * width + rows_ + i];
      solution_[r] = inverse_[r * rows_];
      if (solution_[r] < 0 && solution_[r] > -1e-9) solution_[r] = 0;
    }
    return true;
  }

  void find_multipliers() {
    duals_.assign(rows_, 0);
    for (std::size_t r = 0; r < rows_; ++r) {
      const double c = cost(basis_[r]);
      for (std::size_t i = 0; i < rows_; ++i) duals_[i] += c * inverse_[r * rows_ + i];
    }
  }

  /// The column of the most negative reduced cost, or the first negative one, and that cost;
  /// columns(): optimal.
  std::pair<std::size_t, double> choose(bool first) const {
    std::size_t best = columns();
    double most = 0;
    const auto offer = [&](std::size_t column, double reduced, double size) {
      if (reduced >= most || reduced > -1e-13 * size || in_basis_[column] != 0) return false;
      best = column;
      most = reduced;
      return first;
    };
    for (std::size_t c = 0; c < planes_; ++c) {
      const double* const own = slope(c);
      double reduced = problem_.value[c] - duals_[0];
      double size = std::fabs(problem_.value[c]) + std::fabs(duals_[0]);
      for (std::size_t r = 1; r < rows_; ++r) {
        const double part = duals_[r] * own[r - 1];
        reduced += part;
        size += std::fabs(part);
      }
      if (offer(c, reduced, size)) return {best, most};
    }
    for (std::size_t r = 1; r < rows_; ++r) {
      const std::size_t column = planes_ + 2 * (r - 1);
      const auto [high, low] = cost_[r - 1];
      const double dual = duals_[r];
      if (offer(column, high - dual, std::fabs(high) + std::fabs(dual)) ||
          offer(column + 1, low + dual, std::fabs(low) + std::fabs(dual)))
        return {best, most};
    }
    return {best, most};
  }

  bool pivot(std::size_t entering, double reduced) {
    direction_.assign(rows_, 0);
    if (entering < planes_) {
      const double* const own = slope(entering);
      for (std::size_t r = 0; r < rows_; ++r) {
        const double* const row = inverse_.data() + r * rows_;
        double sum = row[0];
        for (std::size_t i = 1; i < rows_; ++i) sum -= row[i] * own[i - 1];
        direction_[r] = sum;
      }
    } else {
      const std::size_t end = entering - planes_;
      const double sign = end % 2 == 0 ? 1 : -1;
      for (std::size_t r = 0; r < rows_; ++r)
        direction_[r] = sign * inverse_[r * rows_ + end / 2 + 1];
    }
    std::size_t leaving = rows_;
    double least = 0;
    for (std::size_t r = 0; r < rows_; ++r) {
      if (direction_[r] <= 1e-11) continue;
      const double ratio = solution_[r] / direction_[r];
      const bool better = leaving == rows_ || ratio < least - 1e-15 ||
                          (ratio <= least + 1e-15 && basis_[r] < basis_[leaving]);
      if (!better) continue;
      leaving = r;
      least = ratio;
    }
    if (leaving == rows_) return false;
    const double scale = 1 / direction_[leaving];
    double* const pivot_row = inverse_.data() + leaving * rows_;
    for (std::size_t i = 0; i < rows_; ++i) {
      pivot_row[i] *= scale;
      duals_[i] += reduced * pivot_row[i];
    }
    solution_[leaving] *= scale;
    for (std::size_t r = 0; r < rows_; ++r) {
      const double factor = direction_[r];
      if (r == leaving || factor == 0) continue;
      double* const row = inverse_.data() + r * rows_;
      for (std::size_t i = 0; i < rows_; ++i) row[i] -= factor * pivot_row[i];
      solution_[r] = std::max(0.0, solution_[r] - factor * solution_[leaving]);
    }
    in_basis_[basis_[leaving]] = 0;
    in_basis_[entering] = 1;
    basis_[leaving] = entering;
    return true;
  }

  const MasterProblem& problem_;
  std::size_t planes_;
  std::size_t rows_;
  std::vector<std::pair<double, double>> cost_;  // of each row's p and q
  std::vector<std::size_t> basis_;
  std::vector<char> in_basis_;
  std::vector<double> inverse_;
  std::vector<double> solution_;
  std::vector<double> duals_;
  std::vector<double> direction_;
};

}  // namespace

MasterSolution solve_master(const MasterProblem& problem, MasterBasis& basis) {
  return Simplex(problem).run(basis);
}

}  // namespace mpsearch::solver
