"""Exports the nets of small_nets.py in PyTorch's three ways and stores what PyTorch computes for them.

Run by hand, never by the tests: python make_exports.py [FOLDER]
Needs PyPI's torch, onnx, onnxscript and numpy. Fixed seeds; one thread. README.md says what is written.
"""

import copy
import pathlib
import sys
import warnings

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from small_nets import NETS
from torch import nn
from torch.nn import functional as F

STEPS = 10
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.01),
}
KEPT_METADATA = "pkg.torch.export.graph_signature.InputSpec.kind"


def seeded(build, inputs, targets, seed):
    """Every norm and bias scattered: ones and zeros would hide mistakes, and could not be told apart."""
    torch.manual_seed(seed)
    net = build()
    for name, parameter in net.named_parameters():
        if parameter.dim() == 1 or name == "position":
            scale = 0.1 if name.endswith("bias") or name == "position" else 0.3
            center = 0.0 if name.endswith("bias") or name == "position" else 1.0
            nn.init.normal_(parameter, center, scale)
    return (net.train(), {n: make() for n, make in inputs.items()},
            {n: (kind, weight, make()) for n, (kind, weight, make) in targets.items()})


def total_loss(net, inputs, targets):
    outputs = net(*inputs.values())
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    total = 0
    for y, (kind, weight, target) in zip(outputs, targets.values()):
        if kind == "ce":
            loss = F.cross_entropy(y.reshape(-1, y.shape[-1]), target.reshape(-1))
        elif kind == "bce":
            loss = F.binary_cross_entropy_with_logits(y, target.to(y.dtype))
        else:
            loss = F.mse_loss(y, target.to(y.dtype))
        total = total + weight * loss
    return total


def double(net, inputs):
    return copy.deepcopy(net).double(), {
        n: x.double() if x.is_floating_point() else x for n, x in inputs.items()}


def gradients(net, inputs, targets):
    net = copy.deepcopy(net)
    loss = total_loss(net, inputs, targets)
    loss.backward()
    return loss.item(), {n: p.grad.numpy() for n, p in net.named_parameters() if p.grad is not None}


def training(net, inputs, targets, optimizer):
    net = copy.deepcopy(net)
    update = OPTIMIZERS[optimizer](net.parameters())
    losses = []
    for _ in range(STEPS):
        update.zero_grad()
        loss = total_loss(net, inputs, targets)
        loss.backward()
        update.step()
        losses.append(loss.item())
    return np.array(losses)


def is_steady(net, inputs, targets):
    """Whether FP32 stays near FP64 (see make_reference.py), and no gradient hangs on a near tie."""
    net64, inputs64 = double(net, inputs)
    _, g64 = gradients(net64, inputs64, targets)
    for flag in (True, False):
        torch.backends.mkldnn.set_flags(flag)
        _, g32 = gradients(net, inputs, targets)
        largest = max(np.linalg.norm(g) for g in g64.values())
        bad = any(np.linalg.norm(g32[n] - g) > 3e-6 * np.linalg.norm(g) + 1e-7 * largest for n, g in g64.items())
        for o in OPTIMIZERS:
            bad = bad or np.abs(training(net, inputs, targets, o) - training(net64, inputs64, targets, o)).max() > 1e-5
        torch.backends.mkldnn.set_flags(True)
        if bad:
            return False
    return True


def steady(build, inputs, targets, also):
    for seed in range(1, 500):
        problem = seeded(build, inputs, targets, seed)
        if is_steady(*problem) and is_steady(also(problem[0]), *problem[1:]):
            return seed, problem
    raise RuntimeError("no steady seed")


def folded(net):
    """What the default exporter makes of it: BatchNorm folded into the convolutions before it."""
    if not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in net.modules()):
        return net
    from torch.fx.experimental.optimization import fuse
    return fuse(copy.deepcopy(net).eval()).train().requires_grad_(True)  # its new biases too


def export(net, inputs, outputs, path, way):
    arguments = tuple(inputs.values())
    names = {"input_names": list(inputs), "output_names": list(outputs)}
    if way == "training":
        torch.onnx.export(copy.deepcopy(net), arguments, path, dynamo=False,
                          training=torch.onnx.TrainingMode.TRAINING, **names)
    else:
        torch.onnx.export(copy.deepcopy(net).eval(), arguments, path, optimize=way == "default",
                          verbose=False, **names)
    model = onnx.load(path)
    graph = model.graph
    for item in [model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output]:
        kept = [p for p in item.metadata_props if p.key == KEPT_METADATA]
        del item.metadata_props[:]
        item.metadata_props.extend(kept)
    for node in graph.node:
        node.doc_string = ""
    buffers = dict(net.named_buffers())  # the older exporter runs the net once
    for tensor in graph.initializer:
        if way == "training" and tensor.name in buffers:
            tensor.raw_data = buffers[tensor.name].numpy().tobytes()
    pathlib.Path(str(path) + ".data").unlink(missing_ok=True)
    onnx.save(model, path)
    return graph


def stored_as(graph, name, value):
    """The initializer that holds the parameter: by name, else by value; '.T' where it is transposed.

    A norm's parameters may have lost or gained dimensions of size one.
    """
    value = value.detach().numpy()
    for tensor in graph.initializer:
        if tensor.name == name and list(tensor.dims) == list(value.shape):
            return name
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.size == value.size and array.squeeze().shape == value.squeeze().shape and np.allclose(
                array.ravel(), value.ravel(), 1e-5, 1e-6):
            return tensor.name
        if value.ndim == 2 and array.shape == value.T.shape and np.allclose(array, value.T, 1e-5, 1e-6):
            return tensor.name + ".T"
    return None


def reference(net, inputs, targets, graphs):
    """`graphs`: exports with these parameters, by way."""
    net64, inputs64 = double(net, inputs)
    loss64, g64 = gradients(net64, inputs64, targets)
    _, g32 = gradients(net, inputs, targets)
    data = {f"input/{n}": x.numpy() for n, x in inputs.items()}
    data |= {f"target/{n}": t[2].numpy() for n, t in targets.items()}
    data["loss64"] = np.float64(loss64)
    parameters = dict(net.named_parameters())
    for name, g in g64.items():
        data[f"error32/{name}"] = np.float64(np.linalg.norm(g32[name] - g) / max(np.linalg.norm(g), 1e-300))
        data[f"grad64/{name}"] = g.astype(np.float64)
        for way, graph in graphs.items():
            where = stored_as(graph, name, parameters[name])
            if where is None:
                print(f"    {way}: {name} is no initializer")
                continue
            data[f"in_{way}/{name}/{where}"] = np.float64(0)
    for optimizer in OPTIMIZERS:
        data[f"losses64/{optimizer}"] = training(net64, inputs64, targets, optimizer)
    return data


def main():
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "exports")
    only = sys.argv[2:]
    folder.mkdir(exist_ok=True)
    for name, (build, make_inputs, make_targets) in NETS.items():
        if only and name not in only:
            continue
        seed, (net, inputs, targets) = steady(build, make_inputs, make_targets, folded)
        graphs = {way: export(net, inputs, targets, folder / f"{name}-{way}.onnx", way)
                  for way in ("training", "unoptimized", "default")}
        print(f"{name}: seed {seed}, {sum(p.numel() for p in net.parameters())} parameters, operators",
              *(sorted({n.op_type for n in g.node}) for g in graphs.values()), sep="\n    ")
        plain = folded(net) is net
        same = graphs if plain else {w: graphs[w] for w in ("training", "unoptimized")}
        np.savez(folder / f"{name}.npz", **reference(net, inputs, targets, same))
        if not plain:
            np.savez(folder / f"{name}-default.npz",
                                **reference(folded(net), inputs, targets, {"default": graphs["default"]}))


if __name__ == "__main__":
    main()
