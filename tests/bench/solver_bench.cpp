// The solver's figures: how many instances are proven within which CPU time, and the gaps of the
// rest
// (--limit is wall time).
// usage: bench_solver [--layers N,N,...] [--seeds FIRST LAST] [--family NAME] [--repeated]
// [--rewrites]
//                     [--engine exact|cbc|auto] [--limit SECONDS] [--quiet] [--dump FILE] [--lp
//                     FILE]
#include <sys/time.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "search/solver/lp_file.h"
#include "search/solver/problem_json.h"
#include "search/solver/solve.h"
#include "tests/bench/solver_instances.h"

namespace {

std::atomic<bool> time_is_up{false};

/// Raises the flag after that much CPU time of this process.
void limit_cpu(double seconds) {
  time_is_up = false;
  std::signal(SIGPROF, [](int) { time_is_up = true; });
  const auto micros = static_cast<long>(seconds * 1e6);
  const itimerval timer{{0, 0}, {micros / 1000000, micros % 1000000}};
  setitimer(ITIMER_PROF, &timer, nullptr);
}

using mpsearch::bench::Family;

struct Arguments {
  std::vector<int> layers = {20, 60};
  int first = 1;
  int last = 4;
  std::string family;
  bool repeated = false;
  bool rewrites = false;
  bool quiet = false;
  std::string dump;
  std::string lp;
  mpsearch::SolveOptions options{.engine = mpsearch::Engine::Auto, .stop = &time_is_up};
  double limit = 5;
};

struct Tally {
  int count = 0;
  int proven = 0;
  int in_100_ms = 0;
  int in_1_s = 0;
  int finite = 0;
  double worst_gap = 0;
  std::vector<double> seconds;
};

Arguments parse(int argc, char** argv) {
  Arguments out;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto next = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
    if (word == "--layers") {
      out.layers.clear();
      std::stringstream list(next());
      for (std::string item; std::getline(list, item, ',');) out.layers.push_back(std::stoi(item));
    } else if (word == "--seeds") {
      out.first = std::stoi(next());
      out.last = std::stoi(next());
    } else if (word == "--family") {
      out.family = next();
    } else if (word == "--repeated") {
      out.repeated = true;
    } else if (word == "--rewrites") {
      out.rewrites = true;
    } else if (word == "--quiet") {
      out.quiet = true;
    } else if (word == "--dump") {
      out.dump = next();
    } else if (word == "--lp") {
      out.lp = next();
    } else if (word == "--limit") {
      out.limit = std::stod(next());
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

void add(Tally& tally, const mpsearch::Solution& solution, double seconds) {
  const bool proven = solution.status == mpsearch::SolveStatus::Optimal ||
                      solution.status == mpsearch::SolveStatus::Infeasible;
  ++tally.count;
  tally.proven += proven ? 1 : 0;
  tally.in_100_ms += proven && seconds <= 0.1 ? 1 : 0;
  tally.in_1_s += proven && seconds <= 1 ? 1 : 0;
  tally.finite += solution.choice.empty() ? 0 : 1;
  tally.worst_gap = std::max(tally.worst_gap, solution.gap);
  tally.seconds.push_back(seconds);
}

void print(const std::string& name, Tally tally) {
  std::sort(tally.seconds.begin(), tally.seconds.end());
  std::printf(
      "%-24s %4d  proven %3d%%  <=0.1 s %3d%%  <=1 s %3d%%  answer %3d%%  median %.3f s  "
      "worst gap %.3f%%\n",
      name.c_str(), tally.count, 100 * tally.proven / tally.count,
      100 * tally.in_100_ms / tally.count, 100 * tally.in_1_s / tally.count,
      100 * tally.finite / tally.count, tally.seconds[tally.seconds.size() / 2],
      100 * tally.worst_gap);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = parse(argc, argv);
  std::map<std::string, Tally> by_size;
  std::map<std::string, Tally> by_family;
  for (const int layers : arguments.layers)
    for (int f = 0; f < 5; ++f)
      for (int seed = arguments.first; seed <= arguments.last; ++seed) {
        const Family family = static_cast<Family>(f);
        const std::string name = mpsearch::bench::name_of(family);
        if (!arguments.family.empty() && arguments.family != name) continue;
        const mpsearch::Problem problem =
            mpsearch::bench::draw_instance({family, layers, arguments.repeated, arguments.rewrites,
                                            static_cast<std::uint64_t>(seed)});
        if (!arguments.dump.empty())
          std::ofstream(arguments.dump) << mpsearch::write_problem(problem);
        if (!arguments.lp.empty()) std::ofstream(arguments.lp) << mpsearch::write_lp(problem);
        limit_cpu(arguments.limit);
        const std::clock_t start = std::clock();
        const mpsearch::Solution solution = mpsearch::solve(problem, arguments.options);
        const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
        if (!arguments.quiet)
          std::printf(
              "%-12s layers %4d seed %3d  %-10s %-6s objective %.9g bound %.9g gap %.4f%%  "
              "%.3f s  %lld nodes\n",
              name.c_str(), layers, seed, mpsearch::name_of(solution.status),
              solution.solver.c_str(), solution.objective, solution.bound, 100 * solution.gap,
              seconds, static_cast<long long>(solution.nodes));
        std::fflush(stdout);
        char size[32];
        std::snprintf(size, sizeof size, "layers %4d", layers);
        add(by_size[size], solution, seconds);
        add(by_family[name], solution, seconds);
      }
  for (const auto& [name, tally] : by_size) print(name, tally);
  for (const auto& [name, tally] : by_family) print(name, tally);
}
