"""What stands just before and after a place in a text: it tells a telephone number from an order's."""

from __future__ import annotations

import re
from functools import lru_cache

NEAR = 40  # letters
ENDS_WITH_NUMBER = re.compile(r"\d ?\Z")
GOES_ON_WITH_NUMBER = re.compile(r" \d")
# The same where the groups are themselves far apart, as columns are.
COLUMN_BEFORE = re.compile(r"\d {0,8}\Z")
COLUMN_AFTER = re.compile(r" {1,8}\d")


def said_before(text: str, start: int, words: str) -> bool:
    """Whether one of the words stands before, in the same line; or in the one before, where this one begins with it.

    Args:
        words: a regular expression.
    """
    *above, line = text[max(0, start - NEAR) : start].split("\n")
    if above and not line.strip(" \t\"'>*-"):
        line = above[-1]
    return bool(_words(words).search(line))


def in_a_row(text: str, start: int, end: int) -> bool:
    """Whether it is a few of many numbers that are divided by spaces."""
    if " " not in text[start:end].strip() or "+" in text[start:end]:
        return False
    if "  " in text[start:end].strip():
        return bool(COLUMN_BEFORE.search(text, max(0, start - 9), start) or COLUMN_AFTER.match(text, end))
    return bool(ENDS_WITH_NUMBER.search(text, max(0, start - 2), start) or GOES_ON_WITH_NUMBER.match(text, end))


@lru_cache(maxsize=64)
def _words(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
