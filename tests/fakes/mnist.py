"""MNIST's 10,000 test images, and what the shipped model says about them in the native ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stack.settings import ROOT

MODEL = ROOT / "services" / "webgpu-static" / "model" / "mnist.onnx"
IMAGES = ROOT / "tests" / "reference" / "mnist_test.npz"
INPUT, OUTPUT = "Input3", "Plus214_Output_0"


@dataclass(frozen=True)
class TestDigits:
    """``images`` [n, 28, 28] from 0, paper, to 255, ink; ``digits`` [n]; ``logits`` [n, 10] of the native runtime."""

    images: NDArray[np.uint8]
    digits: NDArray[np.uint8]
    logits: NDArray[np.float32]

    def every(self, step: int) -> TestDigits:
        """Each ``step``-th of them."""
        return TestDigits(self.images[::step], self.digits[::step], self.logits[::step])


@cache
def all_test_digits() -> TestDigits:
    """All 10,000; takes about a second."""
    with np.load(IMAGES) as stored:
        images, digits = stored["images"], stored["digits"]
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    inputs = images.astype(np.float32).reshape(-1, 1, 1, 28, 28)
    logits = np.concatenate([np.asarray(session.run([OUTPUT], {INPUT: one})[0]) for one in inputs])
    return TestDigits(images, digits, logits)
