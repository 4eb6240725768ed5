"""The mark at the end of an answer that is not whole."""

from __future__ import annotations

import re

STOPPED = "*(stopped)*"
BROKEN_OFF = "*(broken off)*"

FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")


def marked(text: str, mark: str) -> str:
    """What is to be added to the text: in a block of code that is open, the mark would be code."""
    fence = _open_fence(text)
    return f"\n{fence}\n\n{mark}" if fence else f"\n\n{mark}"


def _open_fence(text: str) -> str | None:
    fence: str | None = None
    for line in text.splitlines():
        if not (found := FENCE.match(line)):
            continue
        if fence is None:
            fence = found[1]
        elif found[1].startswith(fence) and not found[2].strip():
            fence = None
    return fence
