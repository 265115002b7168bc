#!/usr/bin/env python3
"""Fronts of the zoo's networks, held to what they promise.

usage: front_acceptance.py MPSEARCH [--nets lenet,resnet18] [--batch N] [--points 20] [--effort fast]
For each network: `pareto`, then for every point no peak above its budget, objectives that never
rise with the budget, `verify` exit 0 with the certificate checked without the solver; and one byte
below the least budget `plan` exits 1. Prints a line a network; exit 1 when one fails.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time


def run(words, folder):
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def faults_of(program, net, arguments, folder):
    model = f"{net}.onnx"
    common = ["--batch", str(arguments.batch), "--effort", arguments.effort,
              "--profile-cache", "cache", "-q"]
    run([program, "zoo", net, "-o", model], folder)
    run([program, "profile", model, *common], folder)
    start = time.monotonic()
    front = run([program, "pareto", model, *common, "--points", str(arguments.points), "-o", net,
                 "--json"], folder)
    seconds = time.monotonic() - start
    if front.returncode != 0:
        return [f"pareto exits {front.returncode}: {front.stderr.strip()}"], "", seconds
    points = json.loads(front.stdout)["points"]
    faults = [] if len(points) == arguments.points else [f"{len(points)} points"]
    before, proven, optimal = float("inf"), 0, 0
    for point in points:
        name = f"budget {point['budget_bytes']}"
        plan = json.loads((pathlib.Path(folder) / point["plan"]).read_text())
        if point["peak_bytes"] > point["budget_bytes"]:
            faults.append(f"{name}: peak {point['peak_bytes']}")
        if plan["objective"] > before * (1 + 1e-9):
            faults.append(f"{name}: objective rises to {plan['objective']}")
        before = min(before, plan["objective"])
        verify = run([program, "verify", model, "--plan", point["plan"], "--profile-cache", "cache",
                      "-q", "--json"], folder)
        if verify.returncode != 0:
            faults.append(f"{name}: verify exits {verify.returncode}: {verify.stdout}")
            continue
        certificate = json.loads(verify.stdout)["certificate"]
        if not certificate["checked"]:
            faults.append(f"{name}: certificate not checked: {certificate['why_not']}")
        proven += certificate["root_bound"] is not None
        optimal += plan["status"] == "optimal"
    least = points[0]["budget_bytes"]
    below = run([program, model, *common, "--budget", f"{least - 1}B", "--dry-run"], folder)
    if below.returncode != 1:
        faults.append(f"one byte below the least budget {least}: exit {below.returncode}")
    return faults, f"{len(points)} points, {optimal} optimal, {proven} bounds checked", seconds


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--nets", default="")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--effort", default="fast")
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.program).resolve())
    listed = json.loads(run([program, "zoo", "--json"], ".").stdout)["networks"]
    nets = arguments.nets.split(",") if arguments.nets else [entry["name"] for entry in listed]
    failed = False
    for net in nets:
        with tempfile.TemporaryDirectory() as folder:
            faults, summary, seconds = faults_of(program, net, arguments, folder)
        failed |= bool(faults)
        print(f"{net:12} {'FAILED' if faults else 'ok':6} {summary}, pareto {seconds:.1f} s",
              flush=True)
        for fault in faults:
            print("   ", fault)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
