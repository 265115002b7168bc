#!/usr/bin/env python3
"""Our exact engine against CBC and HiGHS on the arc-flow model, in one run.

usage: compare_mip.py BUILD_DIR [--layers 60,120] [--seeds 1 2] [--families chain,residual]
                      [--repeated] [--style blocks|ops] [--limit SECONDS] [--problems FILE...]
Needs highspy (pip install highspy) and, without --problems, the target bench_solver in BUILD_DIR.
CBC and HiGHS have one thread, every engine SECONDS (60) for each instance; times are CPU times of the solve
alone, reading and writing of files apart. Prints a line an instance, and at the end whether all
proven objectives are equal to 1e-6 relative and the median ratio of times, ours / the faster peer,
over the instances where we or a peer proved the optimum (a peer without proof counts as what it
spent: the least that it would need).
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import highspy
except ImportError:
    sys.exit("compare_mip.py needs highspy: python3 -m pip install highspy")

FAMILIES = ["chain", "residual", "transformer", "unet", "branches"]


def solve(program, problem, solver, limit):
    """Status, objective and CPU seconds of `mpsearch solve`."""
    words = [program, "solve", problem, "--solver", solver, "--time-limit", str(limit), "--json"]
    run = subprocess.run(words, capture_output=True, text=True)
    answer = json.loads(run.stdout)
    return answer["status"], answer["objective"], answer["solve_cpu_ms"] / 1e3


def scale_objective(highs):
    """Multiplies the objective so that HiGHS's absolute tolerances are small beside it."""
    costs = list(highs.getLp().col_cost_)
    largest = max(map(abs, costs), default=0)
    scale = 1e4 / largest if largest > 0 else 1.0
    for column, cost in enumerate(costs):
        if cost != 0:
            highs.changeColCost(column, cost * scale)
    return scale


def solve_highs(program, problem, limit):
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "flow.lp")
        subprocess.run([program, "solve", problem, "--dump-lp", path, "--time-limit", "0.001", "-q"],
                       capture_output=True)
        highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("threads", 1)
        highs.setOptionValue("time_limit", float(limit))
        highs.setOptionValue("mip_rel_gap", 0.0)
        highs.setOptionValue("mip_abs_gap", 0.0)
        highs.readModel(path)
        scale = scale_objective(highs)
        start = time.process_time()
        highs.run()
        seconds = time.process_time() - start
        status = highs.getModelStatus()
        names = {highspy.HighsModelStatus.kOptimal: "optimal",
                 highspy.HighsModelStatus.kInfeasible: "infeasible"}
        objective = highs.getInfo().objective_function_value / scale
        return names.get(status, "feasible"), objective, seconds


def instances(arguments, folder):
    if arguments.problems:
        for path in arguments.problems:
            yield pathlib.Path(path).stem, path
        return
    bench = str(pathlib.Path(arguments.build) / "tests" / "bench_solver")
    row = "repeated" if arguments.repeated else "middle"
    first, last = arguments.seeds
    for family in arguments.families.split(","):
        subprocess.run([bench, "--rows", row, "--layers", arguments.layers, "--family", family,
                        "--first", str(first), "--seeds", str(last - first + 1),
                        "--style", arguments.style, "--dump", folder],
                       check=True, capture_output=True)
    for path in sorted(pathlib.Path(folder).glob("*.json")):
        yield path.stem, str(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--layers", default="60,100")
    parser.add_argument("--seeds", nargs=2, type=int, default=[1, 1])
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--repeated", action="store_true")
    parser.add_argument("--style", default="blocks", choices=["blocks", "ops"])
    parser.add_argument("--limit", type=float, default=60)
    parser.add_argument("--problems", nargs="*")
    arguments = parser.parse_args()
    print(f"style {arguments.style}, layers {arguments.layers}, seeds {arguments.seeds[0]} to "
          f"{arguments.seeds[1]}, {'repeated blocks' if arguments.repeated else 'random layers'}, "
          f"limit {arguments.limit:g} s", flush=True)
    program = str(pathlib.Path(arguments.build) / "mpsearch")
    ratios, unequal = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for name, path in instances(arguments, folder):
            results = {"exact": solve(program, path, "exact", arguments.limit),
                       "cbc": solve(program, path, "cbc", arguments.limit),
                       "highs": solve_highs(program, path, arguments.limit)}
            proven = {k: r for k, r in results.items() if r[0] in ("optimal", "infeasible")}
            agree = len({r[0] for r in proven.values()}) <= 1
            objectives = [r[1] for r in proven.values() if r[0] == "optimal"]
            if agree and objectives:
                size = max(map(abs, objectives))
                agree = max(objectives) - min(objectives) <= 1e-6 * size
            unequal += not agree
            peer = min(results[k][2] for k in ("cbc", "highs"))
            ratio = results["exact"][2] / peer
            if proven:
                ratios.append(ratio if "exact" in proven else max(1.0, ratio))
            cells = "  ".join(f"{k} {r[0]:10} {r[2]:8.3f} s" for k, r in results.items())
            print(f"{name:26} {cells}  ratio {ratio:.4f}  {'equal' if agree else 'NOT EQUAL'}",
                  flush=True)
    if ratios:
        ratios.sort()
        print(f"median ratio {statistics.median(ratios):.4f} of {len(ratios)} instances "
              f"({ratios[0]:.4f} to {ratios[-1]:.4f}), {unequal} with unequal objectives")
    sys.exit(1 if unequal else 0)


if __name__ == "__main__":
    main()
