"""Plans every net of tests/reference/exports at 70 % of its FP32 peak and verifies the plan by a run.

usage: plan_exports.py [--mpsearch FILE] [NAME ...]

Each of the ten nets in PyTorch's three ways; NAMEs pick some (`unet`, `vae-training`). The batch is
larger than the file's own, so that activations and not the optimizer's state make up the peak.
Exit status 1 when a plan is missing or `verify` finds a difference. About two minutes on two cores.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
BATCH = {"discriminator": 1024, "vae": 1024}
LOSSES = {"discriminator": ["bce"], "vae": ["image=mse", "divergence=mse:0.25"]}


def run(command, folder):
    done = subprocess.run([*map(str, command), "--quiet", "--json"], capture_output=True, text=True, cwd=folder,
                          env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache")})
    return (json.loads(done.stdout) if done.stdout.startswith("{") else {}), done.stderr.splitlines()


def check(program, path, folder):
    """What is wrong with the plan, or nothing, and a line about it."""
    net = path.name.split("-")[0]
    plan = folder / f"{path.stem}.json"
    losses = [word for loss in LOSSES.get(net, []) for word in ("--loss", loss)]
    planned, errors = run([program, path, "--budget", "70%", "--batch", BATCH.get(net, 64), "-o", plan, *losses],
                          folder)
    if planned.get("status") not in ("optimal", "feasible"):
        return "no plan", " ".join(errors[-3:])
    verified, errors = run([program, "verify", path, "--plan", plan], folder)
    tiers = sorted({layer["precision"] for layer in planned["layers"]})
    line = (f"{planned['status']}, {planned['peak_bytes']} of {planned['budget_bytes']} bytes, "
            f"measured {verified.get('measured_peak_bytes')}, {' '.join(tiers)}")
    return ("" if verified.get("ok") else "not verified " + " ".join(errors[-3:])), line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--mpsearch", type=pathlib.Path, default=ROOT / "build/release/mpsearch")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        paths = sorted((ROOT / "tests/reference/exports").glob("*.onnx"))
        chosen = [p for p in paths if not options.names or p.stem in options.names or p.stem.split("-")[0] in options.names]
        for path in chosen:
            wrong, line = check(options.mpsearch.resolve(), path, pathlib.Path(name))
            failed += bool(wrong)
            print(f"{'MISS' if wrong else 'ok  '} {path.stem:26} {wrong} {line}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} plans at 70 % made and verified")
    sys.exit(1 if failed or not chosen else 0)


if __name__ == "__main__":
    main()
