"""How much a question asks for, as a number of words: its own, and what its structure is worth."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What one of each is worth, in words: chosen so that ROUTING_THRESHOLD=100 means "a hundred words, or fewer with much
# in them". (The tutorial counts words only.)
WORTH = {
    re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE): 20,  # a block of code has two of them
    re.compile(r"^\s{0,8}(?:[-*+]|\d{1,2}[.)])\s", re.MULTILINE): 10,  # a point of a list
    re.compile(r"\?(?=\s|$)"): 10,  # a question
    re.compile(r"^\s{0,8}\|.*\|\s*$", re.MULTILINE): 5,  # a row of a table
    re.compile(
        r"\b(?:step[ -]by[ -]step|compare|contrast|prove|derive|evaluate|analy[sz]e|trade-?offs?|pros and cons"
        r"|explain why|in detail|reason about|optimi[sz]e)\b",
        re.IGNORECASE,
    ): 20,  # what asks for thinking
}


def complexity(text: str, files: Iterable[str] = ()) -> int:
    """Of a question and of the files that come with it, which only count by their length."""
    words = sum(len(each.split()) for each in (text, *files))
    return words + sum(worth * len(form.findall(text)) for form, worth in WORTH.items())
