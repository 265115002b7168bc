"""Enforces the include directions of the layers, and which layer may use which library.

usage: layering_test.py REPOSITORY   Prints each forbidden include as file:line: why; exits 1 if any.
"""

import pathlib
import re
import sys

CONCRETE = ("runtime/cpu", "runtime/cuda", "runtime/null")
MODELS = ("models", "models/onnx", "models/stored", "models/zoo")

# A file belongs to the longest of these folders that holds it; so does what it includes.
# Folder -> the folders that it may include beside itself. `tests` may include everything.
MAY_INCLUDE = {
    "kernels": (),
    "kernels/cpu": ("kernels",),
    "kernels/cuda": ("kernels",),
    "models": ("kernels",),
    "models/onnx": ("kernels", "models", "models/stored"),
    "models/stored": ("kernels", "models"),
    "models/zoo": ("kernels", "models", "models/onnx"),
    "runtime": ("kernels", *MODELS),
    "runtime/cpu": ("kernels", "kernels/cpu", "models", "runtime"),
    "runtime/cuda": ("kernels", "kernels/cuda", "models", "runtime"),
    "runtime/null": ("kernels", "models", "runtime"),
    "search/solver": (),
    "search": ("kernels", *MODELS, "runtime", "search/solver"),
    "reports": ("kernels", "models/stored"),
    "search/cli": ("kernels", *MODELS, "runtime", "search", "search/solver", "reports"),
}
# Single files: what one file may include, or what a whole folder may include of another one.
EXCEPTIONS = {
    ("runtime/backends.cpp", folder) for folder in CONCRETE
} | {("search/solver", "kernels/error.h")}

# Library -> the folders whose files may include it.
LIBRARIES = {
    "oneTBB": (r"(oneapi/)?tbb/", ("kernels/cpu", "runtime/cpu")),
    "oneDNN": (r"(oneapi/dnnl/|dnnl)", ("kernels/cpu",)),
    "ONNX": (r"onnx/", ("models/onnx",)),
    "Protobuf": (r"(google/protobuf/|.*\.pb\.h$)", ("models/onnx", "models/stored")),
    "CBC": (r"(coin/|Cbc|Clp|Osi|Cgl|Coin)", ("search/solver",)),
    "CUDA": (r"(cuda|cublas|cudnn|nccl|nvrtc|cupti)", ("kernels/cuda", "runtime/cuda")),
    "CLI11": (r"CLI/", ("search/cli",)),
    "toml++": (r"toml\+\+/", ("search/cli",)),
    "a test library": (r"(gtest|gmock|benchmark)/", ()),
}
# Costly to compile, so never in a header; nlohmann's forward declarations are cheap.
NO_HEADER = re.compile(r"(fmt|nlohmann)/(?!json_fwd\.hpp)")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SUFFIXES = (".h", ".cpp", ".cu", ".cuh", ".in")


def folder_of(path):
    holding = [f for f in MAY_INCLUDE if path.startswith(f + "/")]
    return max(holding, key=len, default=None)


def why_forbidden(file, bracket, name):
    """None if `file` may include `name`, else the reason."""
    source, target = folder_of(file), folder_of(name)
    if name.startswith("."):
        return "includes are named from the repository's root"
    if name.startswith("tests/"):
        return None if file.startswith("tests/") else "the product includes no test"
    if source is None:
        return None
    if target is not None:
        if bracket == "<":
            return 'the project\'s own headers are included with ""'
        if target in (source, *MAY_INCLUDE[source]):
            return None
        if (file, target) in EXCEPTIONS or (source, name) in EXCEPTIONS:
            return None
        return f"{source} may not include {target}"
    for library, (pattern, folders) in LIBRARIES.items():
        if re.match(pattern, name) and source not in folders:
            return f"{source} may not use {library}"
    if NO_HEADER.match(name) and not file.endswith((".cpp", ".cu")):
        return "fmt and nlohmann-json are included by sources, never by headers"
    return None


def check_the_rules_themselves():
    cases = [
        ("kernels/cpu/pool.cpp", '"', "models/graph.h", False),
        ("models/graph.cpp", '"', "kernels/tensor.h", True),
        ("models/graph.cpp", '"', "kernels/cpu/table.h", False),
        ("models/graph.cpp", '"', "models/onnx/import.h", False),
        ("models/graph.cpp", "<", "onnx/onnx_pb.h", False),
        ("models/onnx/import.cpp", "<", "onnx/onnx_pb.h", True),
        ("models/graph.h", "<", "models/op.h", False),
        ("runtime/trainer.cpp", '"', "runtime/cpu/backend.h", False),
        ("runtime/backends.cpp", '"', "runtime/cpu/backend.h", True),
        ("runtime/trainer.cpp", "<", "tbb/parallel_for.h", False),
        ("search/planner.cpp", '"', "runtime/cuda/backend.h", False),
        ("search/planner.cpp", '"', "search/cli/options.h", False),
        ("search/planner.cpp", '"', "search/solver/solve.h", True),
        ("search/solver/solve.cpp", '"', "kernels/error.h", True),
        ("search/solver/solve.cpp", '"', "kernels/tensor.h", False),
        ("search/solver/cbc.cpp", "<", "coin/CbcModel.hpp", True),
        ("search/planner.cpp", "<", "coin/CbcModel.hpp", False),
        ("reports/html.cpp", '"', "search/planner.h", False),
        ("reports/html.cpp", '"', "models/stored/plan.h", True),
        ("runtime/data.h", "<", "fmt/format.h", False),
        ("runtime/data.cpp", "<", "fmt/format.h", True),
        ("runtime/data.cpp", '"', "../kernels/tensor.h", False),
        ("runtime/data.cpp", '"', "tests/support/x.h", False),
        ("tests/runtime/data_test.cpp", "<", "onnx/onnx_pb.h", True),
    ]
    for file, bracket, name, allowed in cases:
        assert (why_forbidden(file, bracket, name) is None) == allowed, (file, name)


def main():
    check_the_rules_themselves()
    root = pathlib.Path(sys.argv[1])
    tops = ("kernels", "models", "runtime", "search", "reports", "tests")
    files = sorted(p for top in tops for p in (root / top).rglob("*")
                   if p.suffix in SUFFIXES and p.is_file())
    faults = 0
    for path in files:
        file = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            why = why_forbidden(file, *match.groups()) if match else None
            if match and match.group(1) == '"' and not match.group(2).endswith(".pb.h"):
                exists = (root / match.group(2)).is_file()
                why = why or (None if exists else "no such file, seen from the repository's root")
            if why:
                print(f"{file}:{number}: {match.group(2)}: {why}")
                faults += 1
    print(f"{len(files)} files, {faults} forbidden includes")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
