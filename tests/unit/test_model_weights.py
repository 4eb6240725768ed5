"""The converted weights are the stored ones, number by number."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from gguf import GGMLQuantizationType, GGUFReader, dequantize
from numpy.typing import NDArray

from fakes.model_at_hand import gguf_file, model
from stack.parts.model.graph import block_offsets, packed_nibbles
from stack.parts.model.weights import BLOCK, FourBit, Gguf


@pytest.fixture(scope="module")
def reader() -> GGUFReader:
    return GGUFReader(gguf_file())


@pytest.fixture(scope="module")
def ours() -> Gguf:
    return Gguf(gguf_file())


@pytest.fixture(scope="module")
def initializers() -> dict[str, NDArray[Any]]:
    """Every tensor of the converted graph, as it stands on disk."""
    folder = model().directory
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    data = np.memmap(folder / "model.onnx.data", mode="r")
    arrays = {}
    for tensor in graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        place = {entry.key: entry.value for entry in tensor.external_data}
        start, length = int(place["offset"]), int(place["length"])
        kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        arrays[tensor.name] = data[start : start + length].view(kind).reshape(tuple(tensor.dims))
    return arrays


def test_every_tensor_decodes_to_what_gguf_itself_says(reader: GGUFReader, ours: Gguf) -> None:
    read = {
        GGMLQuantizationType.Q4_1: lambda name: ours.four_bit(name).dequantized(),
        GGMLQuantizationType.Q8_0: lambda name: ours.eight_bit(name).dequantized(),
        GGMLQuantizationType.F32: ours.vector,
    }
    assert len(reader.tensors) == 272
    for tensor in reader.tensors:
        expected = dequantize(tensor.data, tensor.tensor_type)
        np.testing.assert_array_equal(read[tensor.tensor_type](tensor.name), expected, err_msg=tensor.name)


def test_reading_a_tensor_as_another_kind_is_refused(ours: Gguf) -> None:
    with pytest.raises(ValueError, match="stored as Q8_0"):
        ours.four_bit("token_embd.weight")


def test_offsets_lose_nothing(reader: GGUFReader, ours: Gguf) -> None:
    for tensor in reader.tensors:
        if tensor.tensor_type == GGMLQuantizationType.Q4_1:
            weight = ours.four_bit(tensor.name)
            exact = weight.minimums.astype(np.float64) + 8 * weight.scales.astype(np.float64)
            np.testing.assert_array_equal(block_offsets(weight).astype(np.float64), exact, err_msg=tensor.name)


def test_rotary_halves_undo_llama_cpps_row_order() -> None:
    heads, head_size, columns = 3, 8, BLOCK
    original = np.arange(heads * head_size * columns).reshape(heads * head_size, columns)
    stored = original.reshape(heads, 2, head_size // 2, columns).swapaxes(1, 2).reshape(original.shape)
    rows = stored.astype(np.uint8).reshape(-1, 1, BLOCK)
    numbers = stored[:, :1].astype(np.float32)

    undone = FourBit(rows, numbers, -numbers).rotary_halves(heads)

    np.testing.assert_array_equal(undone.scales[:, 0], original[:, 0])
    np.testing.assert_array_equal(undone.minimums[:, 0], -original[:, 0])
    np.testing.assert_array_equal(undone.quants[:, 0], original.astype(np.uint8))


def test_nibbles_are_packed_low_half_first() -> None:
    quants = np.arange(32, dtype=np.uint8).reshape(1, 1, 32) % 16
    packed = packed_nibbles(FourBit(quants, np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32)))
    assert packed.ravel()[:3].tolist() == [0x10, 0x32, 0x54]
    assert packed.shape == (1, 1, 16)


@pytest.mark.parametrize("layer", [0, 14, 29])
def test_the_file_on_disk_holds_the_weights(layer: int, reader: GGUFReader, initializers: dict[str, Any]) -> None:
    stored = {tensor.name: dequantize(tensor.data, tensor.tensor_type) for tensor in _layer(reader, layer)}

    def wanted(*parts: str) -> NDArray[Any]:
        return np.concatenate([stored[f"blk.{layer}.{part}.weight"] for part in parts])

    qkv = wanted("attn_q", "attn_k", "attn_v")
    for first in range(0, 12 * 64, 64):  # nine query heads, three key heads: pairs become halves
        qkv[first : first + 64] = np.concatenate([qkv[first : first + 64 : 2], qkv[first + 1 : first + 64 : 2]])
    expected = {
        "attention.qkv": qkv,
        "attention.output": wanted("attn_output"),
        "feed_forward.gate_up": wanted("ffn_gate", "ffn_up"),
        "feed_forward.down": wanted("ffn_down"),
    }
    for name, weight in expected.items():
        np.testing.assert_allclose(
            _as_the_graph_computes(initializers, f"layer{layer}.{name}"), weight, rtol=0, atol=1e-9, err_msg=name
        )


def test_embedding_and_head_share_their_bytes(reader: GGUFReader, initializers: dict[str, Any]) -> None:
    embedding, head = initializers["embedding.quants"], initializers["head.quants"]
    assert embedding.ctypes.data == head.ctypes.data
    table = next(tensor for tensor in reader.tensors if tensor.name == "token_embd.weight")
    weights = (head.astype(np.float32) - 128) * initializers["embedding.scales"][..., None]
    np.testing.assert_array_equal(weights.reshape(49152, 576), dequantize(table.data, table.tensor_type))


def test_nothing_of_the_download_is_left_out(reader: GGUFReader, initializers: dict[str, Any]) -> None:
    quants = sum(array.size for name, array in initializers.items() if name.endswith(".quants")) * 2
    embedding = 49152 * 576
    four_bit = sum(t.n_elements for t in reader.tensors if t.tensor_type == GGMLQuantizationType.Q4_1)
    assert quants == four_bit + 2 * 2 * embedding  # its bytes are counted under two names, and are not halves
    norms = sum(array.size for name, array in initializers.items() if name.endswith(".norm"))
    assert norms == sum(t.n_elements for t in reader.tensors if t.tensor_type == GGMLQuantizationType.F32)


def _layer(reader: GGUFReader, layer: int) -> list[Any]:
    return [tensor for tensor in reader.tensors if tensor.name.startswith(f"blk.{layer}.")]


def _as_the_graph_computes(initializers: dict[str, Any], name: str) -> NDArray[Any]:
    packed = initializers[f"{name}.quants"]
    quants = np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:2], BLOCK).astype(np.float64)
    scaled = (quants - 8) * initializers[f"{name}.scales"][..., None]
    return np.asarray(scaled + initializers[f"{name}.offsets"].T[..., None]).reshape(packed.shape[0], -1)
