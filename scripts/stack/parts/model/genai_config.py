"""Writes what ONNX Runtime GenAI and Foundry Local want to know about the model."""

from __future__ import annotations

from typing import Any

from stack.parts.model.identity import ID
from stack.parts.model.weights import Gguf

GRAPH_NAME = "model.onnx"


def genai_config(gguf: Gguf) -> dict[str, Any]:
    """The content of ``genai_config.json``.

    ``temperature`` 0 is what Foundry Local takes for a request that names none: the likeliest token each time. Its
    own default, 1, makes a model this small talk nonsense. A request's own temperature still wins.

    ``context_length`` is the model's; a cache for all of it (about 380 MB) is allocated for each conversation at once.
    """
    sizes = gguf.architecture()

    def token(name: str) -> int:
        return int(gguf.metadata(f"tokenizer.ggml.{name}_token_id"))

    return {
        "model": {
            "type": "llama",
            "bos_token_id": token("bos"),
            "eos_token_id": token("eos"),
            "pad_token_id": token("padding"),
            "vocab_size": sizes.vocabulary,
            "context_length": sizes.context_length,
            "decoder": {
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "filename": GRAPH_NAME,
                "head_size": sizes.head_size,
                "hidden_size": sizes.width,
                "num_attention_heads": sizes.heads,
                "num_hidden_layers": sizes.layers,
                "num_key_value_heads": sizes.kv_heads,
                "inputs": {
                    "input_ids": "input_ids",
                    "attention_mask": "attention_mask",
                    "past_key_names": "past_key_values.%d.key",
                    "past_value_names": "past_key_values.%d.value",
                },
                "outputs": {
                    "logits": "logits",
                    "present_key_names": "present.%d.key",
                    "present_value_names": "present.%d.value",
                },
            },
        },
        "search": {
            "do_sample": False,
            "early_stopping": True,
            "length_penalty": 1.0,
            "max_length": sizes.context_length,
            "min_length": 0,
            "num_beams": 1,
            "num_return_sequences": 1,
            "past_present_share_buffer": True,
            "repetition_penalty": 1.0,
            "temperature": 0.0,
            "top_k": 50,
            "top_p": 1.0,
        },
    }


def inference_model() -> dict[str, Any]:
    """The content of ``inference_model.json``, by which Foundry Local finds the model in its cache."""
    return {"Name": ID}
