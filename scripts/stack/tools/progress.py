"""How long-running parts say where they are, without knowing how it is shown."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called as often as there is news: a short text, and how much is done from 0 to 1 where that is known."""

    def __call__(self, text: str, fraction: float | None = None) -> None: ...


def silent(text: str, fraction: float | None = None) -> None:
    """A Progress for callers who do not show any."""
