"""Opens what `mpsearch train` and `mpsearch export --to onnx` wrote in ONNX Runtime and compares outputs.

usage: check_exported_onnx.py ORIGINAL.onnx EXPORTED.onnx...
Needs onnxruntime and numpy from PyPI; not part of the test-suite. Prints one line a file and level of
optimisation: relative distance (Frobenius) of its outputs from the original's on one random batch. Exits 1
where a file does not open, or differs by more than 25 % (FP8 keeps three bits of mantissa).
"""

import sys

import numpy
import onnxruntime

LEVELS = {
    "as written": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "optimised": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


def outputs(path, level, batch=4, seed=0):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    random = numpy.random.default_rng(seed)
    feed = {}
    for value in session.get_inputs():
        shape = [size if isinstance(size, int) else batch for size in value.shape]
        feed[value.name] = random.standard_normal(shape).astype(numpy.float32)
    return session.run(None, feed)


def distance(got, wanted):
    got = numpy.concatenate([x.ravel().astype(numpy.float64) for x in got])
    wanted = numpy.concatenate([x.ravel().astype(numpy.float64) for x in wanted])
    return numpy.linalg.norm(got - wanted) / numpy.linalg.norm(wanted)


def main():
    original, *exported = sys.argv[1:]
    reference = outputs(original, LEVELS["as written"])
    failed = False
    for path in exported:
        for name, level in LEVELS.items():
            try:
                apart = distance(outputs(path, level), reference)
            except Exception as error:  # whatever ONNX Runtime raises is the finding
                print(f"{path}: {name}: does not open: {error}")
                failed = True
                continue
            print(f"{path}: {name}: {apart:.2e}")
            failed = failed or not apart <= 0.25
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
