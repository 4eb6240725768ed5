"""A text as the finders read it: one kind of space, dash and digit, and nothing that can't be seen."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t"
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
REPLACED = {**dict.fromkeys(SPACES, " "), **dict.fromkeys(DASHES, "-")}
UNSEEN = "Cf"  # Unicode's category of zero-width spaces, soft hyphens and marks of direction


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
    if text.isascii() and "\t" not in text:
        return PlainForm(text, range(len(text)))
    letters, places = [], []
    for place, letter in enumerate(text):
        if letter.isascii() and letter != "\t":
            plain = letter
        elif unicodedata.category(letter) == UNSEEN:
            continue
        else:
            plain = REPLACED.get(letter) or unicodedata.normalize("NFKC", letter)
            if letter.isdecimal():  # of whatever script
                plain = str(unicodedata.decimal(letter))
            plain = plain if len(plain) == 1 else letter
        letters.append(plain)
        places.append(place)
    return PlainForm("".join(letters), places)
