// The solver's figures, a row of the table of docs for each kind of instance: what is proven within
// which time, the gaps of the rest, and whether every bound was honest. Times and limits are those
// of the clock, on as many cores as there are: nothing else should run; the row peer compares CPU
// times. Exit 1 when a figure that must hold does not. Ratios to HiGHS: tests/peers/compare_mip.py.
// usage: bench_solver [--style blocks|ops] [--rows NAME] [--first SEED] [--seeds N] [--layers N,N]
//                     [--family NAME] [--engine exact|cbc|auto] [--each] [--problems FILE...]
//                     [--dump DIR]
// Rows: small, middle, large, repeated, rewrites, sweep, front, random, peer; of --problems: files,
// front, peer. --each prints a line an instance.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "search/solver/check.h"
#include "search/solver/problem_json.h"
#include "search/solver/solve.h"
#include "tests/bench/solver_instances.h"
#include "tests/bench/solver_instances_ops.h"
#include "tests/bench/solver_sweeps.h"

namespace {

using mpsearch::Problem;
using mpsearch::Solution;
using mpsearch::SolveStatus;
using mpsearch::bench::Family;
using mpsearch::bench::InstanceSpec;

/// What must hold of a row: a share of its instances.
struct Must {
  enum What { Proven, Gap } what = Proven;
  double share = 0;
  double seconds = 0;
  double gap = 0;
};

struct Row {
  std::string name;
  std::vector<int> layers;
  bool repeated = false;
  bool rewrites = false;
  int seeds = 0;
  double early = 1;  // seconds of the first run; the rest gets a second one of `late`
  double late = 5;
  std::vector<Must> musts;
};

const std::vector<Row> kRows = {
    {"small",
     {20, 40, 60},
     false,
     false,
     6,
     1,
     5,
     {{Must::Proven, 0.97, 1, 0}, {Must::Gap, 0.95, 1, 0.005}}},
    {"middle",
     {100, 200, 300},
     false,
     false,
     20,
     1,
     5,
     {{Must::Proven, 0.85, 1, 0}, {Must::Proven, 0.95, 5, 0}, {Must::Gap, 0.95, 1, 0.005}}},
    {"large",
     {1000},
     false,
     false,
     8,
     1,
     5,
     {{Must::Proven, 0.80, 5, 0}, {Must::Gap, 0.85, 1, 0.005}}},
    {"repeated",
     {60, 150, 300},
     true,
     false,
     4,
     2,
     5,
     {{Must::Proven, 0.80, 2, 0}, {Must::Gap, 1, 2, 0.01}}},
    {"rewrites",
     {60, 150, 300},
     false,
     true,
     4,
     1,
     5,
     {{Must::Gap, 0.90, 5, 0.02}, {Must::Gap, 1, 5, 1e9}}},
};

struct Arguments {
  bool ops = false;
  std::string rows;
  int first = 1;
  int seeds = 0;
  std::vector<int> layers;
  std::string family;
  bool each = false;
  std::vector<std::string> problems;
  std::string dump;
  mpsearch::SolveOptions options;
};

/// One instance: what the two runs came to. A run that was not needed repeats the one before.
struct Outcome {
  double seconds[2] = {0, 0};
  bool proven[2] = {false, false};
  double gap[2] = {0, 0};
  bool honest = true;
};

Solution run(const Problem& problem, const Arguments& arguments, double limit, double& seconds) {
  mpsearch::SolveOptions options = arguments.options;
  options.time_limit = limit;
  const auto start = std::chrono::steady_clock::now();
  const Solution solution = mpsearch::solve(problem, options);
  seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return solution;
}

bool is_proven(const Solution& solution) {
  return solution.status == SolveStatus::Optimal || solution.status == SolveStatus::Infeasible;
}

double gap_of(const Solution& solution) {
  if (is_proven(solution)) return 0;
  return solution.choice.empty() ? INFINITY : solution.gap;
}

/// No run's bound may exceed what another run found, and a choice must cost what is claimed.
bool honest(const Problem& problem, const Solution& a, const Solution& b) {
  for (const Solution* s : {&a, &b}) {
    if (s->choice.empty()) continue;
    const mpsearch::Evaluation e = mpsearch::evaluate(problem, s->choice);
    if (!mpsearch::violated_limit(problem, e).empty()) return false;
    const double cost = problem.objective == mpsearch::Objective::Ms ? e.ms : e.sensitivity;
    const double slack = 2e-9 * std::fabs(cost);
    if (std::fabs(cost - s->objective) > slack) return false;
    for (const Solution* other : {&a, &b}) {
      if (other->status == SolveStatus::Infeasible || other->bound > cost + slack) return false;
    }
  }
  return true;
}

Outcome measure(const Problem& problem, const Row& row, const Arguments& arguments,
                const std::string& name) {
  Outcome out;
  const Solution early = run(problem, arguments, row.early, out.seconds[0]);
  Solution late = early;
  out.seconds[1] = out.seconds[0];
  if (!is_proven(early)) late = run(problem, arguments, row.late, out.seconds[1]);
  out.proven[0] = is_proven(early);
  out.proven[1] = is_proven(late);
  out.gap[0] = gap_of(early);
  out.gap[1] = gap_of(late);
  out.honest = honest(problem, early, late);
  if (arguments.each) {
    std::printf(
        "  %-28s %-10s objective %.9g bound %.9g gap %.4f%% then %.4f%%  %.3f s  %lld nodes%s\n",
        name.c_str(), name_of(late.status), late.objective, late.bound, 100 * out.gap[0],
        100 * out.gap[1], out.seconds[1], static_cast<long long>(late.nodes),
        out.honest ? "" : "  DISHONEST");
    std::fflush(stdout);
  }
  return out;
}

double share_proven(const std::vector<Outcome>& all, double seconds) {
  const auto count = std::count_if(all.begin(), all.end(), [&](const Outcome& o) {
    return o.proven[1] && o.seconds[1] <= seconds * 1.02;
  });
  return static_cast<double>(count) / static_cast<double>(all.size());
}

double share_gap(const std::vector<Outcome>& all, int run, double gap) {
  const auto count =
      std::count_if(all.begin(), all.end(), [&](const Outcome& o) { return o.gap[run] <= gap; });
  return static_cast<double>(count) / static_cast<double>(all.size());
}

bool print(const Row& row, const std::vector<Outcome>& all) {
  if (all.empty()) return true;
  std::printf("%-9s %4zu instances, proven:", row.name.c_str(), all.size());
  for (const double seconds : {0.1, 0.3, 1.0, 2.0, 5.0})
    std::printf(" %.1f%% in %.1f s", 100 * share_proven(all, seconds), seconds);
  double total = 0;
  double worst[2] = {0, 0};
  bool honest = true;
  std::vector<double> seconds;
  for (const Outcome& o : all) {
    for (int r = 0; r < 2; ++r) worst[r] = std::max(worst[r], o.gap[r]);
    honest = honest && o.honest;
    total += o.seconds[1];
    seconds.push_back(o.seconds[1]);
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("; median %.3f s, sum %.1f s\n", seconds[seconds.size() / 2], total);
  for (int r = 0; r < 2; ++r)
    std::printf(
        "          gap after %.0f s: <= 0.1%%: %.1f%%, <= 0.5%%: %.1f%%, <= 1%%: %.1f%%, <= 2%%: "
        "%.1f%%, worst %.3f%%\n",
        r == 0 ? row.early : row.late, 100 * share_gap(all, r, 0.001),
        100 * share_gap(all, r, 0.005), 100 * share_gap(all, r, 0.01),
        100 * share_gap(all, r, 0.02), 100 * worst[r]);
  bool good = honest;
  for (const Must& must : row.musts) {
    const double share = must.what == Must::Proven
                             ? share_proven(all, must.seconds)
                             : share_gap(all, must.seconds <= row.early ? 0 : 1, must.gap);
    good = good && share >= must.share - 1e-9;
    std::printf("          %s: ", share >= must.share - 1e-9 ? "holds" : "MISSED");
    if (must.what == Must::Proven)
      std::printf("%.0f%% proven in %g s", 100 * must.share, must.seconds);
    else if (must.gap > 1)
      std::printf("an answer with a bound after %g s on %.0f%%", must.seconds, 100 * must.share);
    else
      std::printf("gap <= %g%% after %g s on %.0f%%", 100 * must.gap, must.seconds,
                  100 * must.share);
    std::printf(" (%.1f%%)\n", 100 * share);
  }
  std::printf("          bounds honest: %s\n", honest ? "all" : "NOT ALL");
  std::fflush(stdout);
  return good;
}

Arguments parse(int argc, char** argv) {
  Arguments out;
  out.options.engine = mpsearch::Engine::Auto;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto next = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
    if (word == "--style") {
      out.ops = next() == "ops";
    } else if (word == "--rows") {
      out.rows = next();
    } else if (word == "--first") {
      out.first = std::stoi(next());
    } else if (word == "--seeds") {
      out.seeds = std::stoi(next());
    } else if (word == "--layers") {
      std::stringstream list(next());
      for (std::string item; std::getline(list, item, ',');) out.layers.push_back(std::stoi(item));
    } else if (word == "--family") {
      out.family = next();
    } else if (word == "--each") {
      out.each = true;
    } else if (word == "--dump") {
      out.dump = next();
    } else if (word == "--problems") {
      while (i + 1 < argc) out.problems.emplace_back(argv[++i]);
    } else if (word == "--engine") {
      const std::string name = next();
      out.options.engine = name == "cbc"     ? mpsearch::Engine::Cbc
                           : name == "exact" ? mpsearch::Engine::Exact
                                             : mpsearch::Engine::Auto;
    } else {
      std::fprintf(stderr, "unknown word %s\n", word.c_str());
      std::exit(64);
    }
  }
  return out;
}

bool run_row(const Row& row, const Arguments& arguments) {
  std::vector<Outcome> all;
  const int seeds = arguments.seeds > 0 ? arguments.seeds : row.seeds;
  std::printf("%s: style %s, seeds %d to %d of each family and size\n", row.name.c_str(),
              arguments.ops ? "ops" : "blocks", arguments.first, arguments.first + seeds - 1);
  for (const int layers : arguments.layers.empty() ? row.layers : arguments.layers)
    for (int f = 0; f < 5; ++f)
      for (int seed = arguments.first; seed < arguments.first + seeds; ++seed) {
        const InstanceSpec spec{static_cast<Family>(f), layers, row.repeated, row.rewrites,
                                static_cast<std::uint64_t>(seed)};
        const std::string family = mpsearch::bench::name_of(spec.family);
        if (!arguments.family.empty() && arguments.family != family) continue;
        const Problem problem = arguments.ops ? mpsearch::bench::draw_ops_instance(spec)
                                              : mpsearch::bench::draw_instance(spec);
        const std::string name =
            row.name + "-" + family + "-" + std::to_string(layers) + "-" + std::to_string(seed);
        if (!arguments.dump.empty())
          std::ofstream(std::filesystem::path(arguments.dump) / (name + ".json"))
              << mpsearch::write_problem(problem);
        else
          all.push_back(measure(problem, row, arguments, name));
      }
  return print(row, all);
}

/// Stored problems: as they are, as fronts, and against CBC at three budgets.
bool run_files(const Arguments& arguments) {
  std::vector<mpsearch::bench::NamedProblem> problems;
  for (const std::string& path : arguments.problems) {
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    problems.push_back(
        {std::filesystem::path(path).stem().string(), mpsearch::read_problem(text, path)});
  }
  const auto wanted = [&](const std::string& name) {
    return arguments.rows.empty() || arguments.rows == name;
  };
  bool good = true;
  if (wanted("files")) {
    const Row row{"files", {}, false, false, 0, 1, 5, {}};
    std::vector<Outcome> all;
    for (const auto& [name, problem] : problems)
      all.push_back(measure(problem, row, arguments, name));
    good = print(row, all);
  }
  if (wanted("front")) {
    std::printf("front: %zu files, 20 budgets each\n", problems.size());
    good = mpsearch::bench::run_front(problems, arguments.each) && good;
  }
  if (wanted("peer")) {
    std::printf("peer: CBC on the arc-flow model, %zu files at three budgets each\n",
                problems.size());
    good = mpsearch::bench::run_peer(mpsearch::bench::at_three_budgets(problems), 60,
                                     arguments.each) &&
           good;
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  if (!arguments.dump.empty()) std::filesystem::create_directories(arguments.dump);
  if (!arguments.problems.empty()) return run_files(arguments) ? 0 : 1;
  const auto wanted = [&](const std::string& name) {
    return arguments.rows.empty() || arguments.rows == name;
  };
  bool good = true;
  for (const Row& row : kRows)
    if (wanted(row.name)) good = run_row(row, arguments) && good;
  if (!arguments.dump.empty()) return 0;
  if (wanted("sweep")) good = mpsearch::bench::run_sweep() && good;
  if (wanted("front")) {
    std::printf(
        "front: repeated blocks, 60 layers, seeds 1 and 2 of each family, 20 budgets each\n");
    good = mpsearch::bench::run_front(mpsearch::bench::front_problems(), arguments.each) && good;
  }
  if (wanted("random")) good = mpsearch::bench::run_random() && good;
  if (wanted("peer")) {
    std::printf("peer: CBC on the arc-flow model, 20 to 60 layers, seeds 1 and 2 of each family\n");
    good = mpsearch::bench::run_peer(mpsearch::bench::peer_problems(), 60, arguments.each) && good;
  }
  return good ? 0 : 1;
}
