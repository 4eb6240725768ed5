"""The converted model says what its weights say, by teacher forcing against an independent implementation.

The reference and how it was made: `tests/reference/make_reference.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime_genai as og
import pytest
from numpy.typing import NDArray

from fakes.model_at_hand import REFERENCE, model

TOP_1_AGREEMENT = 0.99
LARGEST_LOGIT_ERROR = 0.01  # logits here are between -20 and 30
MEAN_LOGIT_ERROR = 0.001
LARGEST_LOGSUMEXP_ERROR = 0.005

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Errors:
    """How far a model is from the reference: agreement from 0 to 1, the others in logits."""

    positions: int
    agreement: float
    largest: float
    mean: float
    logsumexp: float

    @property
    def acceptable(self) -> bool:
        return (
            self.agreement >= TOP_1_AGREEMENT
            and self.largest <= LARGEST_LOGIT_ERROR
            and self.mean <= MEAN_LOGIT_ERROR
            and self.logsumexp <= LARGEST_LOGSUMEXP_ERROR
        )


class Reference:
    """The committed numbers, text by text."""

    def __init__(self) -> None:
        with np.load(REFERENCE / "embedded_model.npz") as stored:
            self.arrays: dict[str, NDArray[Any]] = dict(stored)
        self.ends: list[int] = np.cumsum(self.arrays["lengths"]).tolist()
        starts = [0, *self.ends[:-1]]
        self.spans = [slice(start, end) for start, end in zip(starts, self.ends, strict=True)]
        self.texts: list[list[int]] = [self.arrays["tokens"][span].tolist() for span in self.spans]

    def errors(self, logits: Logits, positions: Iterable[int]) -> Errors:
        """Compare logits (positions, vocabulary) with the reference at these positions."""
        at = list(positions)
        top_ids, sampled = self.arrays["top_ids"][at], self.arrays["sampled_ids"]
        wanted = np.concatenate([self.arrays["top_logits"][at], self.arrays["sampled_logits"][at]], axis=1)
        got = np.concatenate([np.take_along_axis(logits, top_ids, axis=1), logits[:, sampled]], axis=1)
        off = np.abs(got - wanted)
        return Errors(
            positions=len(at),
            agreement=float((logits.argmax(axis=1) == top_ids[:, 0]).mean()),
            largest=float(off.max()),
            mean=float(off.mean()),
            logsumexp=float(np.abs(_logsumexp(logits) - self.arrays["logsumexp"][at]).max()),
        )


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference()


@pytest.fixture(scope="module")
def loaded() -> og.Model:
    return og.Model(str(model().directory))


@pytest.mark.full
@pytest.mark.timeout(300)
def test_token_by_token_it_agrees_with_the_weights(loaded: og.Model, reference: Reference) -> None:
    assert len(reference.texts) >= 20
    logits = np.concatenate([forced(loaded, text) for text in reference.texts])
    errors = reference.errors(logits, range(reference.ends[-1]))
    print(errors)
    assert errors.acceptable, errors


@pytest.mark.timeout(120)
def test_a_prompt_read_in_one_go_agrees_too(loaded: og.Model, reference: Reference) -> None:
    logits = np.stack([after(loaded, text) for text in reference.texts])
    errors = reference.errors(logits, [end - 1 for end in reference.ends])
    print(errors)
    assert errors.acceptable, errors


@pytest.mark.timeout(120)
def test_far_into_the_context_it_agrees_too(loaded: og.Model, reference: Reference) -> None:
    tokens = reference.arrays["long_tokens"].tolist()
    assert len(tokens) == 1000
    got, wanted = after(loaded, tokens), reference.arrays["long_last_logits"]
    off = np.abs(got - wanted)
    print(f"largest error {off.max():.5f}, mean {off.mean():.6f}, over {off.size} logits")
    assert got.argmax() == wanted.argmax()
    assert off.max() <= LARGEST_LOGIT_ERROR
    assert off.mean() <= MEAN_LOGIT_ERROR


@pytest.mark.timeout(120)
@pytest.mark.parametrize("harm", ["nibbles of one layer swapped", "scales of one layer 1 % too large"])
def test_the_comparison_sees_a_single_wrong_layer(harm: str, reference: Reference, tmp_path: Path) -> None:
    folder = tmp_path / "harmed"
    shutil.copytree(model().directory, folder)
    if "nibbles" in harm:
        packed = _tensor(folder, "layer15.feed_forward.down.quants")
        packed[:] = (packed >> 4) | (packed << 4)
    else:
        scales = _tensor(folder, "layer15.feed_forward.down.scales").view(np.float32)
        scales *= np.float32(1.01)
    texts = reference.texts[:2]
    harmed = og.Model(str(folder))
    errors = reference.errors(np.concatenate([forced(harmed, text) for text in texts]), range(reference.ends[1]))
    print(errors)
    assert not errors.acceptable


def forced(loaded: og.Model, tokens: list[int]) -> Logits:
    """The logits after each token, read one at a time."""
    generator = _generator(loaded, len(tokens))
    logits = []
    for token in tokens:
        generator.append_tokens([token])
        logits.append(generator.get_logits().reshape(-1).copy())
    return np.stack(logits)


def after(loaded: og.Model, tokens: list[int]) -> Logits:
    """The logits after the last token, all read in one go."""
    generator = _generator(loaded, len(tokens))
    generator.append_tokens(tokens)
    return np.array(generator.get_logits(), np.float32).reshape(-1)


def _generator(loaded: og.Model, length: int) -> og.Generator:
    parameters = og.GeneratorParams(loaded)
    parameters.set_search_options(max_length=length + 1)
    return og.Generator(loaded, parameters)


def _tensor(folder: Path, name: str) -> NDArray[Any]:
    """A tensor of the converted model, mapped for writing."""
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    (tensor,) = [tensor for tensor in graph.initializer if tensor.name == name]
    place = {entry.key: entry.value for entry in tensor.external_data}
    return np.memmap(
        folder / "model.onnx.data",
        mode="r+",
        offset=int(place["offset"]),
        shape=(int(place["length"]),),
        dtype=np.uint8,
    )


def _logsumexp(logits: Logits) -> Logits:
    top = logits.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(logits - top).sum(axis=1)), np.float32)
