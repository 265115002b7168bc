"""Trains LeNet on Fashion-MNIST with PyTorch: the peer's test accuracy for the same recipe.

usage: pytorch_accuracy.py [--data FOLDER] [--seeds 1] [--epochs 5] [--bf16] [--threads 2]
Batch 64, AdamW lr 3e-3, weight decay 0.01, cosine to 0 over all steps, pixels divided by 255.
"""

import argparse
import gzip
import json
import pathlib
import sys

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "reference"))
sys.dont_write_bytecode = True
import nets  # noqa: E402

BATCH = 64


def read_idx(path):
    data = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(data, ">i4", count=data[3], offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def load(folder, part):
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    return (torch.tensor(images, dtype=torch.float32)[:, None] / 255,
            torch.tensor(labels, dtype=torch.int64))


def train(seed, epochs, bf16, images, labels):
    torch.manual_seed(seed)
    net = nets.lenet().train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.01, fused=True)
    steps = len(labels) // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for index in range(steps):
            batch = order[index * BATCH:(index + 1) * BATCH]
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = functional.cross_entropy(net(images[batch]), labels[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


def accuracy(net, images, labels):
    with torch.no_grad():
        right = sum((net(x).argmax(1) == y).sum().item()
                    for x, y in zip(images.split(1000), labels.split(1000)))
    return right / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    training, test = load(options.data, "train"), load(options.data, "t10k")
    results = []
    for seed in range(options.seeds):
        results.append(accuracy(train(seed, options.epochs, options.bf16, *training), *test))
        print(f"seed {seed}: {results[-1]:.4f}", file=sys.stderr)
    print(json.dumps({"torch": torch.__version__, "bf16": options.bf16, "accuracy": results}))


if __name__ == "__main__":
    main()
