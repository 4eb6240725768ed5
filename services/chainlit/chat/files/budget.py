"""How much of each file the model has room for."""

from __future__ import annotations

from collections.abc import Sequence

from chat.context import tokens_in

# So much of what is free; the rest is for the conversation, else the next question would push the file out again.
OF_THE_FREE = 0.75
FEWEST = 64
"""Tokens: with less, a file is not worth having."""


def room(limit: int, taken: int) -> int:
    """Tokens for files.

    Args:
        limit: the model's context.
        taken: what of it is kept for the answer, the system prompt and the question.
    """
    return max(0, int((limit - taken) * OF_THE_FREE))


def split(tokens: int, wanted: Sequence[int]) -> list[int]:
    """What each may have: small ones all they want, large ones the same of what is left."""
    given = [0] * len(wanted)
    left = tokens
    by_size = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for place, index in enumerate(by_size):
        given[index] = min(wanted[index], left // (len(by_size) - place))
        left -= given[index]
    return given


def cut(text: str, tokens: int) -> str:
    """The longest beginning that has so many tokens at most; ends with a whole line or word where one is near."""
    if tokens_in(text) <= tokens:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if tokens_in(text[:middle]) <= tokens:
            fits = middle
        else:
            too_long = middle
    kept = text[:fits]
    for end in ("\n", " "):
        at = kept.rfind(end)
        if at > fits * 0.9:
            return kept[:at]
    return kept
