"""Builds the model's ONNX graph for ONNX Runtime GenAI, with the quantised weights carried over as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from stack.parts.model.onnx_file import MICROSOFT, OnnxFile
from stack.parts.model.weights import BLOCK, Architecture, Bytes, EightBit, Floats, FourBit, Gguf
from stack.tools.progress import Progress

EXACT = 1  # MatMulNBits' accuracy_level: multiply with float32 activations
FAST = 4  # ... round the activations to 8 bit first, which has the fast kernels


def write_graph(gguf: Gguf, path: Path, progress: Progress) -> None:
    """Write ``path`` (the graph) and ``path``.data (its tensors)."""
    with OnnxFile(path) as file:
        _Llama(gguf, file).build(progress)


class _Llama:
    """The pieces of a llama-like model in the order in which a token passes through them."""

    def __init__(self, gguf: Gguf, file: OnnxFile) -> None:
        self.gguf = gguf
        self.file = file
        self.sizes: Architecture = gguf.architecture()

    def build(self, progress: Progress) -> None:
        self._shared_constants()
        embedding = self.gguf.eight_bit("token_embd.weight")
        residual = self._embed(embedding)
        normed = self._first_norm(residual)
        for layer in range(self.sizes.layers):
            progress("Converting the model", layer / self.sizes.layers)
            residual, normed = self._layer(layer, residual, normed)
        self._head(normed, embedding)
        self.file.save("smollm2", self._inputs(), self._outputs())

    def _shared_constants(self) -> None:
        file, sizes = self.file, self.sizes
        file.constant("last_axis", np.array([-1], np.int64))
        file.constant("axis_1", np.array([1], np.int64))
        self._sequence_lengths()
        frequencies = sizes.rotary_base ** (-np.arange(0, sizes.head_size, 2) / sizes.head_size)
        angles = np.outer(np.arange(sizes.context_length), frequencies)
        file.tensor("rotary_cos", np.cos(angles).astype(np.float32))
        file.tensor("rotary_sin", np.sin(angles).astype(np.float32))

    def _sequence_lengths(self) -> None:
        """What GroupQueryAttention wants to know, from the attention mask."""
        file = self.file
        file.node("Shape", ["attention_mask"], "mask_shape")
        file.node("Gather", ["mask_shape", file.constant("one", np.array(1, np.int64))], "total_length_64", axis=0)
        file.node("Cast", ["total_length_64"], "total_length", to=TensorProto.INT32)
        file.node("ReduceSum", ["attention_mask", "axis_1"], "mask_sum", keepdims=0)
        file.node("Sub", ["mask_sum", "axis_1"], "last_positions_64")
        file.node("Cast", ["last_positions_64"], "last_positions", to=TensorProto.INT32)

    def _embed(self, embedding: EightBit) -> str:
        """Rows of the embedding, dequantised. Its bytes stand in the file once: the head reads the same ones."""
        sizes = self.sizes
        unsigned = (embedding.quants.astype(np.int16) + 128).astype(np.uint8)  # 128 is the operators' zero point
        self.file.tensor("head.quants", unsigned, also_as=("embedding.quants", (sizes.vocabulary, sizes.width)))
        self.file.tensor("embedding.scales", embedding.scales)
        return self.file.node(
            "GatherBlockQuantized",
            ["embedding.quants", "input_ids", "embedding.scales"],
            "embedding",
            domain=MICROSOFT,
            bits=8,
            block_size=BLOCK,
            gather_axis=0,
            quantize_axis=1,
        )

    def _first_norm(self, residual: str) -> str:
        weight = self.file.tensor("layer0.attention.norm", self.gguf.vector("blk.0.attn_norm.weight"))
        return self.file.node(
            "SimplifiedLayerNormalization",
            [residual, weight],
            "layer0.attention.normed",
            axis=-1,
            epsilon=self.sizes.epsilon,
            stash_type=TensorProto.FLOAT,
        )

    def _layer(self, layer: int, residual: str, normed: str) -> tuple[str, str]:
        stored, here, last = f"blk.{layer}.", f"layer{layer}.", layer == self.sizes.layers - 1
        attention = self._attention(layer, normed)
        residual, normed = self._add_and_norm(residual, attention, f"{stored}ffn_norm.weight", f"{here}feed_forward")
        forward = self._feed_forward(layer, normed)
        if last:
            return self._add_and_norm(residual, forward, "output_norm.weight", "output")
        next_norm = f"blk.{layer + 1}.attn_norm.weight"
        return self._add_and_norm(residual, forward, next_norm, f"layer{layer + 1}.attention")

    def _add_and_norm(self, residual: str, update: str, weight: str, name: str) -> tuple[str, str]:
        norm = self.file.tensor(f"{name}.norm", self.gguf.vector(weight))
        total, normed = f"{name}.residual", f"{name}.normed"
        self.file.nodes(
            "SkipSimplifiedLayerNormalization",
            [residual, update, norm],
            [normed, "", "", total],
            domain=MICROSOFT,
            epsilon=self.sizes.epsilon,
        )
        return total, normed

    def _attention(self, layer: int, normed: str) -> str:
        sizes, stored, here = self.sizes, f"blk.{layer}.attn_", f"layer{layer}.attention."
        query = self.gguf.four_bit(f"{stored}q.weight").rotary_halves(sizes.heads)
        key = self.gguf.four_bit(f"{stored}k.weight").rotary_halves(sizes.kv_heads)
        value = self.gguf.four_bit(f"{stored}v.weight")
        packed = self._linear(normed, FourBit.stacked([query, key, value]), f"{here}qkv")
        past = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
        present = [f"present.{layer}.{part}" for part in ("key", "value")]
        self.file.nodes(
            "GroupQueryAttention",
            [packed, "", "", *past, "last_positions", "total_length", "rotary_cos", "rotary_sin"],
            [f"{here}mixed", *present],
            domain=MICROSOFT,
            num_heads=sizes.heads,
            kv_num_heads=sizes.kv_heads,
            scale=sizes.head_size**-0.5,
            do_rotary=1,
            rotary_interleaved=0,
        )
        return self._linear(f"{here}mixed", self.gguf.four_bit(f"{stored}output.weight"), f"{here}output")

    def _feed_forward(self, layer: int, normed: str) -> str:
        file, stored, here = self.file, f"blk.{layer}.ffn_", f"layer{layer}.feed_forward."
        gate = self.gguf.four_bit(f"{stored}gate.weight")
        up = self.gguf.four_bit(f"{stored}up.weight")
        both = self._linear(normed, FourBit.stacked([gate, up]), f"{here}gate_up")
        file.nodes("Split", [both], [f"{here}gate", f"{here}up"], axis=-1, num_outputs=2)
        file.node("Sigmoid", [f"{here}gate"], f"{here}sigmoid")
        file.node("Mul", [f"{here}gate", f"{here}sigmoid"], f"{here}silu")
        file.node("Mul", [f"{here}silu", f"{here}up"], f"{here}activated")
        return self._linear(f"{here}activated", self.gguf.four_bit(f"{stored}down.weight"), f"{here}down")

    def _linear(self, x: str, weight: FourBit, name: str) -> str:
        """``x`` times the transposed weight, exactly.

        MatMulNBits computes ``scale * (quant - 8)``, GGUF means ``scale * quant + minimum``. The rest,
        ``minimum + 8 * scale``, is one number a block, so it is multiplied with the sum of each block of ``x``.
        """
        file = self.file
        quants = file.tensor(f"{name}.quants", packed_nibbles(weight))
        scales = file.tensor(f"{name}.scales", weight.scales)
        offsets = file.tensor(f"{name}.offsets", block_offsets(weight).T)
        file.node(
            "MatMulNBits",
            [x, quants, scales],
            f"{name}.scaled",
            domain=MICROSOFT,
            K=weight.columns,
            N=weight.rows,
            bits=4,
            block_size=BLOCK,
            accuracy_level=EXACT,
        )
        blocks = self._in_blocks(x, weight.columns, name)
        file.node("ReduceSum", [blocks, "last_axis"], f"{name}.block_sums", keepdims=0)
        file.node("MatMul", [f"{name}.block_sums", offsets], f"{name}.offset")
        return file.node("Add", [f"{name}.scaled", f"{name}.offset"], f"{name}.product")

    def _in_blocks(self, x: str, columns: int, name: str) -> str:
        shape = self.file.constant(f"{name}.block_shape", np.array([0, 0, columns // BLOCK, BLOCK], np.int64))
        return self.file.node("Reshape", [x, shape], f"{name}.blocks")

    def _head(self, normed: str, embedding: EightBit) -> None:
        """Logits of the last position (nothing else is asked for), from the embedding's own 8-bit weights.

        The fast kernel rounds activations to 8 bit, a block of 32 on a grid of its own, and that alone changes one
        top token in fifty. So it gets two rows: the activations rounded to that grid, which it then represents
        without loss, and what the rounding left over. Their sum is as good as 15-bit activations, and both rows
        share one pass over the weights, which is what a token's time goes into.
        """
        file, width = self.file, self.sizes.width
        file.node("Gather", [normed, file.constant("last", np.array([-1], np.int64))], "head.in", axis=1)
        blocks = self._in_blocks("head.in", width, "head")
        file.node("Abs", [blocks], "head.magnitudes")
        file.node("ReduceMax", ["head.magnitudes", "last_axis"], "head.largest", keepdims=1)
        file.node("Mul", ["head.largest", file.constant("step", np.array(1 / 127, np.float32))], "head.raw_steps")
        file.node("Max", ["head.raw_steps", file.constant("tiny", np.array(1e-30, np.float32))], "head.steps")
        file.node("Div", [blocks, "head.steps"], "head.in_steps")
        file.node("Round", ["head.in_steps"], "head.whole_steps")
        file.node("Mul", ["head.whole_steps", "head.steps"], "head.coarse")
        file.node("Sub", [blocks, "head.coarse"], "head.fine")
        file.node("Concat", ["head.coarse", "head.fine"], "head.both_blocks", axis=1)
        file.node(
            "Reshape", ["head.both_blocks", file.constant("rows", np.array([0, 2, width], np.int64))], "head.both"
        )
        file.node(
            "MatMulNBits",
            ["head.both", "head.quants", "embedding.scales"],
            "head.products",
            domain=MICROSOFT,
            K=width,
            N=self.sizes.vocabulary,
            bits=8,
            block_size=BLOCK,
            accuracy_level=FAST,
        )
        file.node("ReduceSum", ["head.products", "axis_1"], "logits", keepdims=1)

    def _inputs(self) -> list[onnx.ValueInfoProto]:
        tokens = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])
        mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "total"])
        return [tokens, mask, *self._cache("past_key_values", "past")]

    def _outputs(self) -> list[onnx.ValueInfoProto]:
        shape = ["batch", 1, self.sizes.vocabulary]
        return [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape), *self._cache("present", "total")]

    def _cache(self, name: str, length: str) -> list[onnx.ValueInfoProto]:
        shape = ["batch", self.sizes.kv_heads, length, self.sizes.head_size]
        return [
            helper.make_tensor_value_info(f"{name}.{layer}.{part}", TensorProto.FLOAT, shape)
            for layer in range(self.sizes.layers)
            for part in ("key", "value")
        ]


def packed_nibbles(weight: FourBit) -> Bytes:
    """The quants as MatMulNBits stores them: neighbours share a byte, the first one in its low half."""
    return weight.quants[..., 0::2] | (weight.quants[..., 1::2] << np.uint8(4))


def block_offsets(weight: FourBit) -> Floats:
    """What MatMulNBits' fixed zero point of 8 leaves out, for each block; exact, as both terms are float16 numbers."""
    return weight.minimums + np.float32(8) * weight.scales
