"""Text as it is: which encoding it has."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from charset_normalizer import CharsetMatch, from_bytes
from charset_normalizer.constant import FREQUENCIES

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as the next one does
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What people's older files are in, the commonest first: several fit most texts equally well.
OLDER = ["cp1252", "cp1250", "cp1251", "iso8859_2", "cp1253", "cp1254", "cp1257", "koi8_r"]
OLDER += ["cp932", "euc_jp", "gb18030", "big5", "cp949"]
SAMPLE = 20_000  # characters
NEARLY = 0.1
FITTING = 0.35  # of the letters; its rarest are in no library's list
TELLING = 4  # letters; with fewer it would be chance
MOST = 0.9
BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
SLIPS = 0.05
NOISE = re.compile(r"[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f]")  # what no text has, terminals' colours allowed
NOISE_AT_MOST = 0.01


@dataclass(frozen=True)
class Decoded:
    """``guess``: the encoding where nothing proves it."""

    text: str
    guess: str | None = None


def decode(data: bytes) -> Decoded | None:
    """The text; None where it is none."""
    found = _by_mark(data) or _by_nulls(data) or _as_utf8(data) or _by_habit(data)
    return found if found and not _is_noise(found.text) else None


def _by_mark(data: bytes) -> Decoded | None:
    for mark, encoding in MARKS:
        if data.startswith(mark):
            return Decoded(data.decode(encoding, errors="replace"))
    return None


def _by_nulls(data: bytes) -> Decoded | None:
    """UTF-16 without its mark: every other byte of most languages' text is then a null."""
    for encoding, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        high = data[at::2]
        if high.count(0) > MOST * len(high):
            return Decoded(data.decode(encoding, errors="replace"), encoding)
    return None


def _as_utf8(data: bytes) -> Decoded | None:
    """UTF-8, be it with a slip: a few letters of another encoding, or cut off in the middle of one."""
    text = data.decode(errors="replace")
    slips = text.count("\ufffd")
    return Decoded(text) if slips <= SLIPS * len(BEYOND_ASCII.findall(data)) else None


def _by_habit(data: bytes) -> Decoded | None:
    """The encoding in which it looks least odd; of nearly the same, the one whose letters fit a likely language."""
    found = list(from_bytes(data, cp_isolation=OLDER))
    if not found:
        return None
    least = min(match.chaos for match in found)
    found = [match for match in found if match.chaos < least + NEARLY]
    alphabets = [FREQUENCIES[match.language] for match in found if match.language in FREQUENCIES]

    def oddness(match: CharsetMatch) -> tuple[float, float, int]:
        letters = [letter for letter in str(match)[:SAMPLE].lower() if not letter.isascii()]
        fits = max(
            (sum(letter in alphabet for letter in letters) / len(letters) for alphabet in alphabets), default=0.0
        )
        tells = fits > FITTING and len(letters) >= TELLING
        return -fits if tells else 0.0, match.chaos, _place(match)

    best = min(found, key=oddness)
    return Decoded(str(best), OLDER[_place(best)])


def _place(match: CharsetMatch) -> int:
    """Of the commonest encoding in which it is the very same text."""
    return min(map(OLDER.index, match.could_be_from_charset))


def _is_noise(text: str) -> bool:
    return len(NOISE.findall(text)) > NOISE_AT_MOST * len(text)
