"""What is said just before a place in a text: it tells a telephone number from an order's."""

from __future__ import annotations

import re
from functools import lru_cache

NEAR = 40  # letters


def said_before(text: str, start: int, words: str) -> bool:
    """Whether one of the words stands before, in the same line.

    Args:
        words: a regular expression.
    """
    line = text[max(0, start - NEAR) : start].rpartition("\n")[2]
    return bool(_words(words).search(line))


@lru_cache(maxsize=64)
def _words(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
