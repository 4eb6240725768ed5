"""A text as the finders read it: one kind of space, dash and digit, and nothing that can't be seen."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u2800\u3000"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
LINE_ENDS = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
REPLACED = {**dict.fromkeys(SPACES, " "), **dict.fromkeys(DASHES, "-"), **dict.fromkeys(LINE_ENDS, "\n")}
# Zero-width spaces, soft hyphens, marks of direction, controls: by Unicode's categories; and what else takes no ink.
UNSEEN = ("Cf", "Cc")
FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
ON_A_DIGIT = ("Mn", "Me")  # strokes through it and keys around it
ALREADY_PLAIN = re.compile(r"[\t\n -~]*")


@dataclass(frozen=True)
class PlainForm:
    """The text, and where each of its letters stood before."""

    text: str
    places: Sequence[int]

    def before(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]`` is in the text as it was."""
        return self.places[start], self.places[end - 1] + 1


def plain_form(text: str) -> PlainForm:
    """Of any text."""
    if ALREADY_PLAIN.fullmatch(text):
        return PlainForm(text, range(len(text)))
    letters: list[str] = []
    places = []
    for place, letter in enumerate(text):
        if plain := _plain(letter, after=letters[-1] if letters else ""):
            letters.append(plain)
            places.append(place)
    return PlainForm("".join(letters), places)


def _plain(letter: str, after: str) -> str:
    """One letter, or none."""
    if " " <= letter <= "~" or letter in "\n\t":
        return letter
    if letter in REPLACED:
        return REPLACED[letter]
    category = unicodedata.category(letter)
    if category in UNSEEN or letter in FILLERS or (category in ON_A_DIGIT and after.isdecimal()):
        return ""
    if category == "Nd":  # of whatever script
        return str(unicodedata.decimal(letter))
    plain = unicodedata.normalize("NFKC", letter)
    return plain if len(plain) == 1 else letter
