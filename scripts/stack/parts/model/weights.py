"""Reads a GGUF's tensors block by block, without rounding: the numbers come out as they were stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader
from numpy.typing import NDArray

BLOCK = 32  # weights that share a scale, in both block formats

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FourBit:
    """A matrix in GGUF's Q4_1 form: ``weight = scale * quant + minimum``, with one scale and minimum a block.

    Attributes:
        quants: 0 to 15, shape (rows, blocks, 32), in the order of the columns.
        scales, minimums: shape (rows, blocks); stored as float16, so float32 holds them exactly.
    """

    quants: Bytes
    scales: Floats
    minimums: Floats

    @property
    def rows(self) -> int:
        return int(self.quants.shape[0])

    @property
    def columns(self) -> int:
        return int(self.quants.shape[1]) * BLOCK

    def dequantized(self) -> Floats:
        """The weights themselves, shape (rows, columns)."""
        weights = self.scales[..., None] * self.quants + self.minimums[..., None]
        return weights.reshape(self.rows, self.columns)

    def rotary_halves(self, heads: int) -> FourBit:
        """Rows of a query or key matrix in the order that splits each head in two halves for the rotation.

        llama.cpp stores them so that the two rows of a rotated pair are neighbours; ONNX Runtime's
        GroupQueryAttention expects all first rows of the pairs, then all second ones.
        """
        order = np.arange(self.rows).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1)
        return FourBit(self.quants[order], self.scales[order], self.minimums[order])

    @staticmethod
    def stacked(parts: Sequence[FourBit]) -> FourBit:
        """One matrix with the rows of all parts, so that one product computes them all."""
        return FourBit(
            np.concatenate([part.quants for part in parts]),
            np.concatenate([part.scales for part in parts]),
            np.concatenate([part.minimums for part in parts]),
        )


@dataclass(frozen=True)
class EightBit:
    """A matrix in GGUF's Q8_0 form: ``weight = scale * quant``, with one scale a block.

    Attributes:
        quants: -128 to 127, shape (rows, blocks, 32).
        scales: shape (rows, blocks).
    """

    quants: NDArray[np.int8]
    scales: Floats

    def dequantized(self) -> Floats:
        """The weights themselves, shape (rows, columns)."""
        return (self.scales[..., None] * self.quants).reshape(self.quants.shape[0], -1)


@dataclass(frozen=True)
class Architecture:
    """The sizes of a llama-like model, as its GGUF states them."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context_length: int
    epsilon: float
    rotary_base: float


class Gguf:
    """An open GGUF file: its metadata, and its tensors by name."""

    def __init__(self, path: Path) -> None:
        reader = GGUFReader(path)
        self._fields = reader.fields
        self._tensors = {tensor.name: tensor for tensor in reader.tensors}

    @property
    def names(self) -> list[str]:
        """The names of all tensors."""
        return list(self._tensors)

    def metadata(self, key: str) -> Any:
        """The value of a metadata key, as Python's own type."""
        return self._fields[key].contents()

    def architecture(self) -> Architecture:
        """The model's sizes."""

        def whole(key: str) -> int:
            return int(self.metadata(f"llama.{key}"))

        return Architecture(
            layers=whole("block_count"),
            width=whole("embedding_length"),
            feed_forward=whole("feed_forward_length"),
            heads=whole("attention.head_count"),
            kv_heads=whole("attention.head_count_kv"),
            head_size=whole("rope.dimension_count"),
            vocabulary=whole("vocab_size"),
            context_length=whole("context_length"),
            epsilon=float(self.metadata("llama.attention.layer_norm_rms_epsilon")),
            rotary_base=float(self.metadata("llama.rope.freq_base")),
        )

    def vector(self, name: str) -> Floats:
        """A tensor that is stored as plain float32."""
        tensor = self._stored_as(name, GGMLQuantizationType.F32)
        return np.array(tensor.data, dtype=np.float32).reshape(-1)

    def four_bit(self, name: str) -> FourBit:
        """A Q4_1 tensor. A block is 20 bytes: scale, minimum (float16 each), 16 bytes with two quants each.

        The low halves of those bytes are the block's first 16 quants, the high halves its last 16.
        """
        blocks = self._blocks(name, GGMLQuantizationType.Q4_1, size=20)
        pairs = blocks[..., 4:]
        return FourBit(
            quants=np.concatenate([pairs & 0x0F, pairs >> 4], axis=-1),
            scales=_half_floats(blocks[..., 0:2]),
            minimums=_half_floats(blocks[..., 2:4]),
        )

    def eight_bit(self, name: str) -> EightBit:
        """A Q8_0 tensor. A block is 34 bytes: scale (float16), then 32 signed quants."""
        blocks = self._blocks(name, GGMLQuantizationType.Q8_0, size=34)
        return EightBit(quants=blocks[..., 2:].view(np.int8), scales=_half_floats(blocks[..., 0:2]))

    def _blocks(self, name: str, kind: GGMLQuantizationType, size: int) -> Bytes:
        tensor = self._stored_as(name, kind)
        columns, rows = (int(length) for length in tensor.shape)
        return np.asarray(tensor.data).reshape(rows, columns // BLOCK, size)

    def _stored_as(self, name: str, kind: GGMLQuantizationType) -> Any:
        tensor = self._tensors[name]
        if tensor.tensor_type != kind:
            raise ValueError(f"{name} is stored as {tensor.tensor_type.name}, not as {kind.name}")
        return tensor


def _half_floats(stored: Bytes) -> Floats:
    return np.ascontiguousarray(stored).view("<f2")[..., 0].astype(np.float32)
