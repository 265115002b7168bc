"""The main job on LeNet and Fashion-MNIST by the command line, and ONNX Runtime's opinion of both written files.

usage: check_main_job.py [--mpsearch FILE] [--data FOLDER] [--budget 70%] [--batch 256]
Plans, trains, evaluates, verifies, reports and exports; checks the JSON keys of docs/schemas and exit
codes; then ONNX Runtime must get the accuracy that `eval` found: from the trained file that of FP32, from
the exported one that of the plan, both within 0.1 points. Needs onnxruntime, numpy and jsonschema.
"""

import argparse
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile

import jsonschema
import numpy
import onnxruntime

ROOT = pathlib.Path(__file__).parents[2]


def read_idx(path):
    data = gzip.decompress(path.read_bytes())
    shape = numpy.frombuffer(data, ">i4", count=data[3], offset=4)
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * data[3]).reshape(shape)


def accuracy(path, images, labels, batch):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    right = 0
    for first in range(0, len(labels), batch):
        x = images[first:first + batch]
        short = batch - len(x)  # a file may have a fixed batch
        fed = numpy.concatenate([x, numpy.zeros((short, *x.shape[1:]), x.dtype)])
        out = session.run(None, {source.name: fed})[0][:len(x)]
        right += (out.astype(numpy.float32).argmax(1) == labels[first:first + batch]).sum()
    return right / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mpsearch", default=ROOT / "build/release/mpsearch", type=pathlib.Path)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", type=pathlib.Path)
    parser.add_argument("--budget", default="70%")
    parser.add_argument("--batch", type=int, default=256)
    options = parser.parse_args()
    program = options.mpsearch.resolve()
    images = read_idx(options.data / "t10k-images-idx3-ubyte.gz")
    images = images[:, None].astype(numpy.float32) / 255
    labels = read_idx(options.data / "t10k-labels-idx1-ubyte.gz")

    with tempfile.TemporaryDirectory() as folder:
        def run(verb, *arguments):
            command = [str(program), verb, *map(str, arguments), "--json", "--quiet"]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if done.returncode != 0:
                sys.exit(f"{' '.join(command)}\nexit {done.returncode}\n{done.stderr}")
            found = json.loads(done.stdout)
            schema = ROOT / f"docs/schemas/{verb}.schema.json"
            jsonschema.validate(found, json.loads(schema.read_text()))
            print(f"ok   {verb}: exit 0, {len(found)} keys by {schema.name}", flush=True)
            return found

        run("zoo", "lenet", "-o", "lenet.onnx")
        plan = run("plan", "lenet.onnx", "--budget", options.budget, "--batch", options.batch,
                   "--data", options.data, "-o", "plan.json")
        trained = run("train", "lenet.onnx", "--plan", "plan.json", "--data", options.data, "--lr",
                      "3e-3", "--schedule", "cosine", "--epochs", 3, "-o", "trained.onnx")
        assert trained["peak_bytes"] == plan["peak_bytes"] <= plan["budget_bytes"]
        ours = {"trained.onnx": run("eval", "trained.onnx", "--data", options.data),
                "exported.onnx": run("eval", "trained.onnx", "--data", options.data, "--plan",
                                     "plan.json")}
        assert run("verify", "lenet.onnx", "--plan", "plan.json")["ok"]
        subprocess.run([program, "report", "plan.json", "trained.run.ndjson", "-o", "report.html"],
                       cwd=folder, check=True, capture_output=True)
        assert (pathlib.Path(folder) / "report.html").stat().st_size > 10000
        run("export", "trained.onnx", "--plan", "plan.json", "--to", "onnx", "-o",
            "exported.onnx")
        failed = False
        for name, found in ours.items():
            peer = accuracy(f"{folder}/{name}", images, labels, options.batch)
            apart = abs(peer - found["metric"]["value"])
            failed = failed or apart > 0.001
            print(f"{'MISS' if apart > 0.001 else 'ok  '} {name}: ONNX Runtime {100 * peer:.2f} %, "
                  f"mpsearch eval {100 * found['metric']['value']:.2f} %")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
