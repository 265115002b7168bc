"""Times PyTorch's training step on the CPU, the peer of `mpsearch bench`; prints one JSON object.

usage: pytorch_step.py [--nets mlp,lenet,vgg,resnet18,resnet18-imagenet] [--modes MODE,...]
                       [--threads 2] [--seconds 5] [--rounds 3]

A step is forward, cross-entropy, backward and a fused AdamW update on fixed random data. Modes:
eager, channels_last, compile, compile+channels_last; with the prefix bf16: under BF16 autocast.
The modes of a net take turns, so that a busy moment of the machine hits all of them. The nets are
those of `mpsearch zoo` (resnet18 at 32 pixels has the 3x3 stem); resnet18-imagenet has the 7x7 stem
and max pooling. Needs PyPI's torch.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "reference"))
sys.dont_write_bytecode = True
import nets  # noqa: E402

NETS = {
    "mlp": (nets.mlp, (256, 1, 28, 28)),
    "lenet": (nets.lenet, (256, 1, 28, 28)),
    "vgg": (nets.vgg, (64, 3, 32, 32)),
    "resnet18": (lambda: nets.ResNet18(stem="cifar"), (32, 3, 32, 32)),
    "resnet18-imagenet": (nets.ResNet18, (32, 3, 32, 32)),
}
LAYOUTS = ("eager", "channels_last", "compile", "compile+channels_last")
MODES = LAYOUTS + tuple("bf16 " + mode for mode in LAYOUTS)


def make_step(build, shape, mode):
    """A function that runs one training step and returns its loss."""
    torch.manual_seed(0)
    net = build().train()
    x, labels = torch.randn(*shape), torch.randint(0, 10, (shape[0],))
    if "channels_last" in mode:
        net = net.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    forward = torch.compile(net) if "compile" in mode else net

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=mode.startswith("bf16")):
            loss = functional.cross_entropy(forward(x), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def timed(step, seconds):
    """Milliseconds of each step over `seconds`, at least three steps."""
    times, end = [], time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    return times


def measure(name, modes, seconds, rounds):
    build, shape = NETS[name]
    steps, times, failed = {}, {}, {}
    for mode in modes:
        try:
            step = make_step(build, shape, mode)
            for _ in range(3):
                step()
            steps[mode], times[mode] = step, []
        except Exception as error:  # a mode that this machine lacks is part of the answer
            failed[mode] = f"{type(error).__name__}: {error}".splitlines()[0]
    for _ in range(rounds):
        for mode, step in steps.items():
            times[mode] += timed(step, seconds / rounds)
    result = {}
    for mode, ms in times.items():
        low, median, high = statistics.quantiles(ms, n=4)
        result[mode] = {"step_ms": median, "step_ms_min": min(ms), "spread": (high - low) / median,
                        "samples_per_s": 1e3 * shape[0] / median, "steps": len(ms)}
    best = {}
    for kind in ("fp32", "bf16"):
        modes = [m for m in result if m.startswith("bf16") == (kind == "bf16")]
        best[kind] = min(modes, key=lambda m: result[m]["step_ms"], default=None)
    print(f"{name}: " + ", ".join(f"{m} {r['step_ms']:.2f} ms" for m, r in result.items()),
          file=sys.stderr)
    return {"batch": shape[0], "shape": shape, "modes": result, "failed": failed, "best": best}


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    measured = {name: measure(name, options.modes.split(","), options.seconds, options.rounds)
                for name in options.nets.split(",")}
    print(json.dumps({"torch": torch.__version__, "cpu": cpu_name(), "threads": options.threads,
                      "nets": measured}, indent=2))


if __name__ == "__main__":
    main()
