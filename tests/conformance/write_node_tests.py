#!/usr/bin/env python3
"""Writes the node tests of PyPI's `onnx` package as files, as ONNX's own test data has them.

usage: write_node_tests.py FOLDER

Newer packages carry these tests as code only. Needs `onnx` and `numpy`; never needed to build or to test.
"""
import pathlib
import sys

from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases


def proto_of(value, info):
    if isinstance(value, TensorProto):
        return value
    if info.type.HasField("sequence_type"):
        return numpy_helper.from_list(value, info.name)
    if info.type.HasField("optional_type"):
        return numpy_helper.from_optional(value, info.name)
    return numpy_helper.from_array(value, info.name)


def main():
    root = pathlib.Path(sys.argv[1]) / "node"
    for case in collect_testcases():
        folder = root / case.name
        data = folder / "test_data_set_0"
        data.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_bytes(case.model.SerializeToString())
        (folder / "data.json").write_text(f'{{"rtol": {case.rtol}, "atol": {case.atol}}}\n')
        inputs, outputs = case.data_sets[0]
        for kind, values, infos in (
            ("input", inputs, case.model.graph.input),
            ("output", outputs, case.model.graph.output),
        ):
            for i, value in enumerate(values):
                proto = proto_of(value, infos[i])
                (data / f"{kind}_{i}.pb").write_bytes(proto.SerializeToString())


if __name__ == "__main__":
    main()
