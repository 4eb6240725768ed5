"""Writes the tokenizer as ONNX Runtime GenAI reads it, from the vocabulary and merges in the GGUF."""

from __future__ import annotations

from typing import Any

from stack.parts.model.weights import Gguf

CONTROL = 3  # GGUF's token type for markers such as <|im_end|>, which are no ordinary text

DIGIT = r"\p{N}"
GPT_2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def tokenizer(gguf: Gguf) -> dict[str, Any]:
    """The content of ``tokenizer.json``.

    GGUF says only the name of the rule by which text is cut into words, here ``smollm``: every digit on its own, then
    GPT-2's rule. Both stand here as patterns, though the format has shorter names for them (``Digits``, and an option
    of ``ByteLevel``): ONNX Runtime GenAI skips those, and would then cut a line break before a digit differently.
    """
    cut = gguf.metadata("tokenizer.ggml.pre")
    if cut != "smollm":
        raise ValueError(f"this tokenizer cuts text by a rule that is not known here: {cut}")
    tokens: list[str] = gguf.metadata("tokenizer.ggml.tokens")
    kinds: list[int] = gguf.metadata("tokenizer.ggml.token_type")
    byte_level = {"type": "ByteLevel", "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_marker(number, tokens[number]) for number, kind in enumerate(kinds) if kind == CONTROL],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                _cut_around(DIGIT),
                _cut_around(GPT_2),
                {**byte_level, "add_prefix_space": False},
            ],
        },
        "post_processor": None,
        "decoder": {**byte_level, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,  # nosec B105  (a token of the text, and there is none)
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": list(gguf.metadata("tokenizer.ggml.merges")),
        },
    }


def tokenizer_config(gguf: Gguf) -> dict[str, Any]:
    """The content of ``tokenizer_config.json``, chat template included."""
    tokens: list[str] = gguf.metadata("tokenizer.ggml.tokens")

    def marker(name: str) -> str:
        number: int = gguf.metadata(f"tokenizer.ggml.{name}_token_id")
        return tokens[number]

    return {
        "tokenizer_class": "GPT2Tokenizer",
        "model_max_length": gguf.architecture().context_length,
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "bos_token": marker("bos"),
        "eos_token": marker("eos"),
        "unk_token": marker("unknown"),
        "pad_token": marker("padding"),
        "chat_template": chat_template(gguf),
    }


def chat_template(gguf: Gguf) -> str:
    """The Jinja template that turns messages into the model's prompt; adds a system message where none leads."""
    template: str = gguf.metadata("tokenizer.chat_template")
    return template


def _cut_around(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _marker(number: int, text: str) -> dict[str, Any]:
    return {
        "id": number,
        "content": text,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
