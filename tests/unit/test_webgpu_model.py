"""The digit model as it is shipped: the file that was trained, what it takes and gives, and how often it is right."""

import hashlib
import re

import numpy as np
import onnx
import onnxruntime

from fakes.mnist import INPUT, MODEL, OUTPUT, all_test_digits

CARD = (MODEL.parent / "README.md").read_text(encoding="utf-8")


def test_it_is_the_file_that_was_trained() -> None:
    stated = (MODEL.parent / "mnist.onnx.sha256").read_text(encoding="ascii").split()[0]
    assert hashlib.sha256(MODEL.read_bytes()).hexdigest() == stated
    assert stated in CARD


def test_it_takes_and_gives_what_mnist_12_does() -> None:
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    inputs = [(each.name, each.type, each.shape) for each in session.get_inputs()]
    outputs = [(each.name, each.type, each.shape) for each in session.get_outputs()]
    assert inputs == [(INPUT, "tensor(float)", [1, 1, 28, 28])]
    assert outputs == [(OUTPUT, "tensor(float)", [1, 10])]


def test_it_has_as_many_parameters_as_the_page_says() -> None:
    weights = onnx.load(MODEL).graph.initializer
    assert sum(int(np.prod(weight.dims)) for weight in weights) == 5_994


def test_it_reads_99_of_100_test_digits_as_the_card_says() -> None:
    test = all_test_digits()
    assert len(test.digits) == 10_000
    guesses = test.logits.argmax(axis=1)
    matrix = np.zeros((10, 10), dtype=int)
    np.add.at(matrix, (test.digits, guesses), 1)
    accuracy = matrix.trace() / 10_000
    assert accuracy >= 0.99
    assert f"{accuracy:.2%}" in CARD
    in_card = [row.split("|")[2:12] for row in re.findall(r"^\| \*\*\d\*\* .*$", CARD, re.MULTILINE)]
    assert np.array_equal(np.array(in_card, dtype=int), matrix)
