"""Makes the reference data of this folder from PyTorch (README.md says what is in it).

Run by hand, never by the tests: python make_reference.py [FOLDER]
Needs PyPI's torch, onnx, onnxscript and numpy. Fixed seeds; one thread.
"""

import copy
import pathlib
import sys
import warnings

import nets
import numpy as np
import onnx
import torch
from torch.nn import functional

STEPS = 10
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.01),
}


def seeded(build, shape, seed):
    """The net with scattered norm parameters (ones and zeros would hide mistakes), input, labels.

    The last norm of a residual branch is small, as in trained nets: ten large steps of a deep net
    whose branches are all of size one amplify a rounding error more than a test can bear.
    """
    torch.manual_seed(seed)
    net = build()
    for name, module in net.named_modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            scale = 0.2 if name.endswith("bn2") else 1.0
            torch.nn.init.uniform_(module.weight, 0.5 * scale, 1.5 * scale)
            torch.nn.init.normal_(module.bias, 0.0, 0.1)
    return net.train(), torch.randn(*shape), torch.randint(0, 10, (shape[0],))


def variants(net, x, labels):
    """The same FP32 problem in other orders of summation: batch order, layout, library."""
    yield net, x, labels
    for index in range(6):
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(index))
        other, y = copy.deepcopy(net), x[order]
        if index % 3 == 1:
            other = other.to(memory_format=torch.channels_last)
            y = y.to(memory_format=torch.channels_last)
        torch.backends.mkldnn.set_flags(index % 3 != 2)
        yield other, y, labels[order]
        torch.backends.mkldnn.set_flags(True)


def steady(build, shape):
    """The first seed whose losses agree with FP64 in all variants.

    One ReLU input within a rounding error of zero bends the losses by more than 1e-4. No
    implementation could be held to such data.
    """
    for seed in range(1, 1000):
        problem = seeded(build, shape, seed)
        net64, x64, labels = copy.deepcopy(problem[0]).double(), problem[1].double(), problem[2]
        truth = {o: training(net64, x64, labels, o) for o in OPTIMIZERS}
        if all(np.abs(training(*v, o) - truth[o]).max() < 1e-5
               for v in variants(*problem) for o in OPTIMIZERS):
            return seed, problem
    raise RuntimeError("no steady seed")


def gradients(net, x, labels):
    net = copy.deepcopy(net)
    logits = net(x)
    loss = functional.cross_entropy(logits, labels)
    loss.backward()
    grads = {name: p.grad.numpy() for name, p in net.named_parameters()}
    running = {n: b.numpy() for n, b in net.named_buffers() if "running" in n}
    return logits.detach().numpy(), loss.item(), grads, running


def training(net, x, labels, optimizer):
    """The loss of each step, taken before its update; the same batch in every step."""
    net = copy.deepcopy(net)
    update = OPTIMIZERS[optimizer](net.parameters())
    losses = []
    for _ in range(STEPS):
        update.zero_grad()
        loss = functional.cross_entropy(net(x), labels)
        loss.backward()
        update.step()
        losses.append(loss.item())
    return np.array(losses)


def reference(net, x, labels):
    net64, x64 = copy.deepcopy(net).double(), x.double()
    logits64, loss64, grads64, running64 = gradients(net64, x64, labels)
    _, loss32, grads32, _ = gradients(net, x, labels)
    data = {"input": x.numpy(), "labels": labels.numpy(), "logits64": logits64,
            "loss64": np.float64(loss64), "loss32": np.float64(loss32)}
    for name, g64 in grads64.items():
        error = np.linalg.norm(grads32[name].astype(np.float64) - g64) / np.linalg.norm(g64)
        data |= {f"grad64/{name}": g64, f"grad32/{name}": grads32[name],
                 f"error32/{name}": np.float64(error)}
    data |= {f"running64/{name}": value for name, value in running64.items()}
    for optimizer in OPTIMIZERS:
        data[f"losses64/{optimizer}"] = training(net64, x64, labels, optimizer)
        data[f"losses32/{optimizer}"] = training(net, x, labels, optimizer)
    return data


def export_for_training(net, x, path):
    """The older exporter: BatchNormalization with training_mode = 1 and three outputs."""
    batch = {0: "batch"}
    torch.onnx.export(
        copy.deepcopy(net), (x,), path, dynamo=False, training=torch.onnx.TrainingMode.TRAINING,
        do_constant_folding=False, input_names=["input"], output_names=["logits"],
        dynamic_axes={"input": batch, "logits": batch})
    # This export runs the net once in training mode: put the running statistics back.
    model, buffers = onnx.load(path), dict(net.named_buffers())
    for tensor in model.graph.initializer:
        if tensor.name in buffers:
            tensor.raw_data = buffers[tensor.name].numpy().tobytes()
    onnx.save(model, path)


def export_unoptimized(net, x, path):
    """The default exporter with optimize=False, in evaluation mode and with a fixed batch."""
    torch.onnx.export(copy.deepcopy(net).eval(), (x,), path, dynamo=True, optimize=False,
                      verbose=False, input_names=["input"], output_names=["logits"])
    strip(path)


def export_default(net, x, path):
    """What `torch.onnx.export(net, (x,), path)` gives: optimized, norms folded into convolutions."""
    torch.onnx.export(copy.deepcopy(net).eval(), (x,), path, dynamo=True, verbose=False,
                      input_names=["input"], output_names=["logits"])
    strip(path)


def strip(path):
    """Drops the metadata, which holds this machine's paths; keeps the weights in external data."""
    model = onnx.load(path)
    graph = model.graph
    for item in [model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input,
                 *graph.output]:
        del item.metadata_props[:]
    for node in graph.node:
        node.doc_string = ""
    data = path.name + ".data"
    (path.parent / data).unlink(missing_ok=True)
    onnx.save(model, path, save_as_external_data=True, location=data, size_threshold=100)
    (path.parent / data).chmod(0o644)


def check_names(path, data):
    names = {t.name for t in onnx.load(path).graph.initializer}
    missing = [k for k in data if k.startswith("grad64/") and k[7:] not in names]
    assert not missing, f"{path}: no initializer for {missing}"


def report(name, data):
    largest = max(np.linalg.norm(v) for k, v in data.items() if k.startswith("grad64/"))
    errors = [float(v) for k, v in data.items() if k.startswith("error32/")
              and np.linalg.norm(data["grad64/" + k[8:]]) > 1e-5 * largest]
    print(f"{name}: loss {data['loss64']:.6f}, FP32 gradient error median {np.median(errors):.1e}"
          f" max {max(errors):.1e}")
    for optimizer in OPTIMIZERS:
        a, b = data[f"losses64/{optimizer}"], data[f"losses32/{optimizer}"]
        print(f"  {optimizer}: {a[0]:.4f} -> {a[-1]:.4f}, FP32 apart by {np.abs(a - b).max():.1e}")


def main():
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    narrow = ((8, 8), (16, 16), (24, 24), (32, 32))
    builders = {
        "lenet": (lambda: nets.lenet((6, 12), (48,)), (8, 1, 28, 28)),
        "vgg": (lambda: nets.vgg(narrow, 32, bias=True), (8, 3, 32, 32)),
        "resnet18": (lambda: nets.ResNet18((8, 16, 24, 32)), (16, 3, 32, 32)),
    }
    for name, (build, shape) in builders.items():
        seed, (net, x, labels) = steady(build, shape)
        data = reference(net, x, labels)
        report(f"{name} (seed {seed})", data)
        np.savez(folder / f"{name}.npz", **data)
        export_for_training(net, x, folder / f"{name}.onnx")
        check_names(folder / f"{name}.onnx", data)
        if name == "resnet18":
            export_unoptimized(net, x, folder / f"{name}-unoptimized.onnx")
            check_names(folder / f"{name}-unoptimized.onnx", data)
        if name == "lenet":
            export_default(net, x, folder / f"{name}-default.onnx")
            check_names(folder / f"{name}-default.onnx", data)


if __name__ == "__main__":
    main()
