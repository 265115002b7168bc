"""Our training step against PyTorch's best mode, in one run; prints a table, or JSON with --json.

usage: compare_step.py [--nets mlp,lenet,vgg,resnet18] [--precision fp32|bf16] [--rounds 7]
                       [--seconds 3] [--mpsearch build/release/mpsearch] [--json]

PyTorch's modes (pytorch_step.py) are tried once and the fastest is kept. Then both sides take
turns; a round gives one ratio of medians, ours to PyTorch's, so that a busy moment of the machine
is no one's advantage. The table shows the median ratio of the rounds and their range.
Needs PyPI's torch and a release build.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import pytorch_step
import torch

ROOT = pathlib.Path(__file__).parents[2]


def ours(options, model, batch, steps):
    command = [options.mpsearch, "bench", model, "--precision", options.precision, "--batch", batch,
               "--steps", steps, "--threads", options.threads, "--json"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return json.loads(done.stdout)


def fastest(build, shape, precision):
    """PyTorch's fastest mode at this precision and its step function."""
    modes = [m for m in pytorch_step.MODES if m.startswith("bf16") == (precision == "bf16")]
    tried = {}
    for mode in modes:
        try:
            step = pytorch_step.make_step(build, shape, mode)
            pytorch_step.timed(step, 0)
            tried[mode] = (statistics.median(pytorch_step.timed(step, 1.0)), step)
        except Exception as error:  # a mode that does not work here takes no part
            print(f"PyTorch {mode}: {error}".splitlines()[0], file=sys.stderr)
    mode = min(tried, key=lambda m: tried[m][0])
    return mode, tried[mode][1]


def compare(options, name, folder):
    build, shape = pytorch_step.NETS[name]
    model = folder / f"{name}.onnx"
    if not model.exists():
        subprocess.run([options.mpsearch, "zoo", name, "-o", model], check=True,
                       capture_output=True)
    mode, step = fastest(build, shape, options.precision)
    first = ours(options, model, shape[0], 3)
    steps = max(3, int(1e3 * options.seconds / first["step_ms"]))
    pairs = []
    for _ in range(options.rounds):
        theirs = statistics.median(pytorch_step.timed(step, options.seconds))
        pairs.append((ours(options, model, shape[0], steps)["step_ms"], theirs))
    ratios = [a / b for a, b in pairs]
    return {"net": name, "batch": shape[0], "precision": options.precision, "pytorch_mode": mode,
            "step_ms": statistics.median(a for a, _ in pairs),
            "pytorch_step_ms": statistics.median(b for _, b in pairs),
            "ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default="mlp,lenet,vgg,resnet18")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mpsearch", default=ROOT / "build/release/mpsearch", type=pathlib.Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        rows = [compare(options, name, pathlib.Path(folder)) for name in options.nets.split(",")]
    result = {"torch": torch.__version__, "cpu": pytorch_step.cpu_name(),
              "threads": options.threads, "rows": rows}
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['cpu']}, {options.threads} threads, PyTorch {result['torch']}, "
          f"{options.precision}")
    print(f"{'net':10} {'batch':>5} {'ours ms':>9} {'PyTorch ms':>10} {'ratio':>6}  range")
    for row in rows:
        print(f"{row['net']:10} {row['batch']:5} {row['step_ms']:9.2f} "
              f"{row['pytorch_step_ms']:10.2f} {row['ratio']:6.2f}  "
              f"{row['ratio_low']:.2f} - {row['ratio_high']:.2f}  ({row['pytorch_mode']})")


if __name__ == "__main__":
    main()
