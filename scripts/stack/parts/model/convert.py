"""Turns the GGUF into the directory that Foundry Local loads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stack.parts.model.genai_config import GRAPH_NAME, genai_config, inference_model
from stack.parts.model.graph import write_graph
from stack.parts.model.tokenizer import chat_template, tokenizer, tokenizer_config
from stack.parts.model.weights import Gguf
from stack.tools.progress import Progress

SOURCES = ("identity", "weights", "onnx_file", "graph", "tokenizer", "genai_config", "convert")


def converter_version() -> str:
    """SHA-256 of the converter's own source: whoever changes it can't forget to say so."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


def convert(gguf_file: Path, folder: Path, progress: Progress) -> None:
    """Write the converted model into ``folder``, which exists and is empty.

    The file by which Foundry Local recognises a model comes last.
    """
    gguf = Gguf(gguf_file)
    write_graph(gguf, folder / GRAPH_NAME, progress)
    _write_json(folder / "tokenizer.json", tokenizer(gguf))
    _write_json(folder / "tokenizer_config.json", tokenizer_config(gguf))
    (folder / "chat_template.jinja").write_text(chat_template(gguf), encoding="utf-8", newline="\n")
    _write_json(folder / "genai_config.json", genai_config(gguf))
    _write_json(folder / "inference_model.json", inference_model())


def _write_json(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8", newline="\n")
