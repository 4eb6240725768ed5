"""Makes `embedded_model.npz`: what the embedded model's weights say, by an implementation that is not ours.

The weights are dequantised to float32 by `gguf`'s own code, put into PyTorch's Llama from `transformers`, and asked for
the logits at every position of the texts in `prompts.json` (teacher forcing). The token ids come from llama.cpp, by
`tokenize.mjs` beside this file, as do those in `token_ids.json` for `token_texts.json`. Run once; the results are
committed. To run it again:

    python3.11 -m venv /tmp/reference && /tmp/reference/bin/pip install torch==2.13.0 transformers==5.23.0 gguf==0.19.0
    npm install --prefix /tmp/reference --ignore-scripts node-llama-cpp@3.22.1
    cp tests/reference/tokenize.mjs /tmp/reference/
    node /tmp/reference/tokenize.mjs MODEL.gguf tests/reference/prompts.json > /tmp/reference/tokens.json
    node /tmp/reference/tokenize.mjs MODEL.gguf tests/reference/token_texts.json > tests/reference/token_ids.json
    /tmp/reference/bin/python tests/reference/make_reference.py MODEL.gguf /tmp/reference/tokens.json

MODEL.gguf is the file that `up` leaves in `.state/models/.embedded/`. It takes a minute on two cores.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from transformers import LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).parent
TOP = 5
SAMPLED = 64  # vocabulary entries whose logits are kept at every position, besides the top ones
LONG_TEXT_TOKENS = 1000  # all prompts in a row: positions far into the context

HUGGING_FACE_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def main(gguf_file: str, tokens_file: str) -> None:
    """Write the reference beside this file."""
    texts: list[list[int]] = json.loads(Path(tokens_file).read_text(encoding="utf-8"))
    model = llama(GGUFReader(gguf_file))
    sampled = np.sort(np.random.default_rng(0).choice(model.config.vocab_size, SAMPLED, replace=False))
    long_text = [token for text in texts for token in text][:LONG_TEXT_TOKENS]
    logits = np.concatenate([forced(model, text) for text in texts])
    long_logits = forced(model, long_text)[-1]
    top = np.argsort(-logits, axis=1, kind="stable")[:, :TOP]
    np.savez_compressed(
        HERE / "embedded_model.npz",
        tokens=np.concatenate([np.array(text, np.int32) for text in texts]),
        lengths=np.array([len(text) for text in texts], np.int32),
        top_ids=top.astype(np.int32),
        top_logits=np.take_along_axis(logits, top, axis=1),
        logsumexp=torch.logsumexp(torch.from_numpy(logits), 1).numpy(),
        sampled_ids=sampled.astype(np.int32),
        sampled_logits=logits[:, sampled],
        long_tokens=np.array(long_text, np.int32),
        long_last_logits=long_logits,
    )
    print(f"{len(texts)} texts, {len(logits)} positions, and one text of {len(long_text)} tokens")


def llama(reader: GGUFReader) -> LlamaForCausalLM:
    """PyTorch's Llama with the dequantised weights."""

    def value(key: str) -> Any:
        return reader.fields[f"llama.{key}"].contents()

    heads, kv_heads = value("attention.head_count"), value("attention.head_count_kv")
    config = LlamaConfig(
        vocab_size=value("vocab_size"),
        hidden_size=value("embedding_length"),
        intermediate_size=value("feed_forward_length"),
        num_hidden_layers=value("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=value("context_length"),
        rms_norm_eps=value("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": value("rope.freq_base")},
        tie_word_embeddings=True,
        dtype="float32",
    )
    model = LlamaForCausalLM(config).float().eval()
    state = {}
    for tensor in reader.tensors:
        weight = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32))
        state[hugging_face_name(tensor.name)] = unrotated(tensor.name, weight, heads, kv_heads)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
    model.tie_weights()
    assert model.lm_head.weight is model.model.embed_tokens.weight
    return model


def hugging_face_name(name: str) -> str:
    """llama.cpp's name of a tensor in transformers' words."""
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{HUGGING_FACE_NAMES[part]}.weight"


def unrotated(name: str, weight: torch.Tensor, heads: int, kv_heads: int) -> torch.Tensor:
    """Undo the row order that llama.cpp's converter gives to query and key (its `permute`, read backwards)."""
    count = {"attn_q": heads, "attn_k": kv_heads}.get(name.split(".")[-2])
    if count is None:
        return weight
    return (
        torch.stack([head.reshape(-1, 2, weight.shape[1]) for head in weight.chunk(count)])
        .transpose(1, 2)
        .flatten(0, 2)
    )


@torch.no_grad()
def forced(model: LlamaForCausalLM, tokens: list[int]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The logits after each token, shape (tokens, vocabulary)."""
    return np.asarray(model(torch.tensor([tokens])).logits[0].numpy(), dtype=np.float32)


if __name__ == "__main__":
    main(*sys.argv[1:])
