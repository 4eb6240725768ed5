"""The tokenizer cuts text as llama.cpp does with the same file, and the chat template is the model's own."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime_genai as og
import pytest

from fakes.model_at_hand import REFERENCE, model

SYSTEM = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
PROMPTS: list[str] = json.loads((REFERENCE / "prompts.json").read_text(encoding="utf-8"))
ODD_TEXTS: list[str] = json.loads((REFERENCE / "token_texts.json").read_text(encoding="utf-8"))
ODD_IDS: list[list[int]] = json.loads((REFERENCE / "token_ids.json").read_text(encoding="utf-8"))
with np.load(REFERENCE / "embedded_model.npz") as stored:
    LLAMA_CPP = [ids.tolist() for ids in np.split(stored["tokens"], np.cumsum(stored["lengths"])[:-1])]


@pytest.fixture(scope="module")
def tokenizer() -> og.Tokenizer:
    return og.Tokenizer(og.Model(str(model().directory)))


@pytest.mark.parametrize(("text", "expected"), list(zip(PROMPTS, LLAMA_CPP, strict=True)))
def test_same_ids_as_llama_cpp(text: str, expected: list[int], tokenizer: og.Tokenizer) -> None:
    assert tokenizer.encode(text).tolist() == expected


def test_same_ids_as_llama_cpp_for_odd_texts(tokenizer: og.Tokenizer) -> None:
    assert len(ODD_TEXTS) > 100
    pairs = zip(ODD_TEXTS, ODD_IDS, strict=True)
    assert [text for text, expected in pairs if tokenizer.encode(text).tolist() != expected] == []


@pytest.mark.parametrize("text", [text for text in PROMPTS if "<|im_" not in text])
def test_text_comes_back_unchanged(text: str, tokenizer: og.Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_digits_stand_alone_and_markers_are_one_token(tokenizer: og.Tokenizer) -> None:
    assert len(tokenizer.encode("2026")) == 4
    assert tokenizer.encode("<|im_start|>").tolist() == [1]
    assert tokenizer.encode("<|im_end|>").tolist() == [2]


def test_a_conversation_without_system_message_gets_the_models_own(tokenizer: og.Tokenizer) -> None:
    messages = json.dumps([{"role": "user", "content": "Hi"}])
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    assert prompt == f"{SYSTEM}<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"


def test_a_system_message_of_ones_own_replaces_it(tokenizer: og.Tokenizer) -> None:
    conversation = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Is it 5?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Grüße ✓"},
    ]
    prompt = tokenizer.apply_chat_template(json.dumps(conversation), add_generation_prompt=True)
    turns = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in conversation)
    assert prompt == f"{turns}<|im_start|>assistant\n"
