"""What a model server's own words of refusal mean, wherever they are read: asked directly, or passed on by a page."""

from __future__ import annotations

import re

_MEANINGS = {
    "context-too-long": re.compile(r"maximum context length|context_length_exceeded|context window", re.IGNORECASE),
    "model-not-loaded": re.compile(r"\bmodel not loaded\b", re.IGNORECASE),
    "model-without-tools": re.compile(r"structured tool calling requires", re.IGNORECASE),
}


def meaning(said: str) -> str | None:
    """The cause that these words stand for; None where they may mean anything."""
    return next((cause for cause, words in _MEANINGS.items() if words.search(said)), None)
