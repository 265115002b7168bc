// Runs ONNX's backend tests on the CPU in FP32 and prints, for each set, how many pass, fail and
// are unsupported, with every reason. A folder is a set, or holds sets.
//
// usage: conformance [--all] [--write docs/operators.md] [--passes tests/conformance] DIR...
//   DIR    e.g. /usr/share/libonnx-testdata/data, and what tests/conformance/write_node_tests.py
//   wrote
//   --all  also names the tests that pass; --passes writes their names, a file a set, which is what
//   the
//          test-suite then expects of Debian's sets
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>

#include "search/cli/operator_table.h"
#include "tests/conformance/onnx_test.h"
#include "tests/support/temporary_folder.h"

namespace mpsearch::conformance {
namespace {

namespace fs = std::filesystem;

struct Count {
  int pass = 0;
  int fail = 0;
  int unsupported = 0;
  int all() const { return pass + fail + unsupported; }
  void add(Status status) {
    (status == Status::Pass ? pass : status == Status::Fail ? fail : unsupported) += 1;
  }
};

double percent(int part, int whole) { return whole == 0 ? 0 : 100.0 * part / whole; }

std::string line(const std::string& name, const Count& count) {
  return fmt::format("{:<52} {:>5} run {:>5} pass {:>4} fail {:>5} unsupported {:>6.1f} %\n", name,
                     count.all(), count.pass, count.fail, count.unsupported,
                     percent(count.pass, count.all()));
}

using Sets = std::map<std::string, std::vector<Outcome>>;

Sets run_sets(const std::vector<fs::path>& roots, const Backend& backend) {
  const TemporaryFolder scratch;
  Sets sets;
  for (const fs::path& root : roots) {
    for (const fs::path& folder : find_tests(root)) {
      sets[folder.parent_path().string()].push_back(run_test(folder, backend, scratch.path()));
    }
  }
  return sets;
}

/// Whether import knows every operator of the test.
bool listed(const Outcome& outcome, const std::vector<OperatorRow>& rows) {
  return std::ranges::all_of(outcome.operators, [&](const std::string& op) {
    return op == "Constant" ||
           std::ranges::any_of(rows, [&](const OperatorRow& row) { return row.known.op == op; });
  });
}

void print_set(const std::string& name, const std::vector<Outcome>& outcomes, bool all) {
  fmt::print("\n{}\n", name);
  std::map<std::string, std::vector<std::string>> unsupported;
  for (const Outcome& outcome : outcomes) {
    if (outcome.status == Status::Fail) {
      fmt::print("  FAIL {} ({}): {}\n", outcome.name, fmt::join(outcome.operators, " "),
                 outcome.reason);
    } else if (outcome.status == Status::Unsupported) {
      unsupported[outcome.reason].push_back(outcome.name);
    } else if (all) {
      fmt::print("  pass {}{}{}\n", outcome.name,
                 outcome.fixed.empty() ? "" : ", constant: ", outcome.fixed);
    }
  }
  for (const Outcome& outcome : outcomes) {
    if (outcome.status != Status::Pass || outcome.nearer == 0) continue;
    fmt::print("  nearer to FP64 than expected, {} elements: {}\n", outcome.nearer, outcome.name);
  }
  for (const auto& [reason, names] : unsupported) {
    fmt::print("  unsupported, {}: {}\n    {}\n", names.size(), reason, fmt::join(names, " "));
  }
}

void print_totals(const Sets& sets, const std::vector<OperatorRow>& rows) {
  Count floats;
  Count supported;
  std::map<std::string, int> fixed;
  fmt::print("\n");
  for (const auto& [name, outcomes] : sets) {
    Count count;
    for (const Outcome& outcome : outcomes) {
      count.add(outcome.status);
      if (outcome.computes_floats) floats.add(outcome.status);
      if (listed(outcome, rows)) supported.add(outcome.status);
      if (outcome.status == Status::Pass) ++fixed[outcome.fixed];
    }
    fmt::print("{}", line(name, count));
  }
  fmt::print("{}", line("tests that compute on floats", floats));
  fmt::print("{}", line("tests whose operators `mpsearch ops` lists", supported));
  fmt::print(
      "of what passes, constants of the model were: no inputs {}, integer inputs {}, all inputs "
      "but "
      "the first {}, all inputs (computed at import) {}\n",
      fixed[""], fixed["integers"], fixed["all but the first"], fixed["all"]);
}

void write_page(const fs::path& path, const Sets& sets, const std::vector<OperatorRow>& rows) {
  std::map<std::string, Count> counts;
  for (const auto& [name, outcomes] : sets) {
    for (const Outcome& outcome : outcomes) {
      for (const std::string& op : outcome.operators) counts[op].add(outcome.status);
    }
  }
  std::ofstream page(path);
  page << "# Operators\n\n"
          "Written by `build/release/tests/conformance --write docs/operators.md DIR...`; do not "
          "edit.\n"
          "Conformance: of ONNX's backend tests that contain the operator, how many pass; the "
          "command names the reason of\n"
          "each other one (types, data-dependent shapes, another operator in the same test).\n\n"
          "| operator | opsets from | forward | gradient | tiers | conformance |\n"
          "| --- | --- | --- | --- | --- | --- |\n";
  for (const OperatorRow& row : rows) {
    const Count count = counts[row.known.op];
    page << fmt::format("| {} | {} | yes | {} | {} | {} of {} |\n", row.known.op, row.known.since,
                        row.gradient ? "yes" : "none", fmt::join(row.precisions, " "), count.pass,
                        count.all());
  }
  page << "\nTested by ONNX, not known here: ";
  std::vector<std::string> others;
  for (const auto& [op, count] : counts) {
    const bool known =
        std::ranges::any_of(rows, [&](const OperatorRow& row) { return row.known.op == op; });
    if (!known) others.push_back(fmt::format("{} ({} of {})", op, count.pass, count.all()));
  }
  page << fmt::format(
      "{}.\nSome of them pass: they are computed at import or replaced by their body "
      "in ONNX.\n",
      fmt::join(others, ", "));
}

void write_passes(const fs::path& folder, const Sets& sets) {
  for (const auto& [name, outcomes] : sets) {
    std::ofstream list(folder / ("passes-" + fs::path(name).filename().string() + ".txt"));
    for (const Outcome& outcome : outcomes) {
      if (outcome.status == Status::Pass) list << outcome.name << '\n';
    }
  }
}

int run(const std::vector<std::string>& arguments) {
  bool all = false;
  fs::path page;
  fs::path passes;
  std::vector<fs::path> roots;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--all") {
      all = true;
    } else if (arguments[i] == "--write" && i + 1 < arguments.size()) {
      page = arguments[++i];
    } else if (arguments[i] == "--passes" && i + 1 < arguments.size()) {
      passes = arguments[++i];
    } else if (fs::is_directory(arguments[i])) {
      roots.emplace_back(arguments[i]);
    } else {
      fmt::print(stderr, "no folder '{}'\n", arguments[i]);
      return 66;
    }
  }
  if (roots.empty()) {
    fmt::print(stderr, "usage: conformance [--all] [--write FILE] [--passes FOLDER] DIR...\n");
    return 64;
  }
  const std::unique_ptr<Backend> backend = make_backend("cpu", 1);
  const std::vector<OperatorRow> rows = operator_rows(*backend);
  const Sets sets = run_sets(roots, *backend);
  int failed = 0;
  for (const auto& [name, outcomes] : sets) {
    print_set(name, outcomes, all);
    failed += static_cast<int>(std::ranges::count(outcomes, Status::Fail, &Outcome::status));
  }
  print_totals(sets, rows);
  if (!passes.empty()) write_passes(passes, sets);
  if (!page.empty()) write_page(page, sets, rows);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace mpsearch::conformance

int main(int count, char** arguments) {
  return mpsearch::conformance::run({arguments + 1, arguments + count});
}
