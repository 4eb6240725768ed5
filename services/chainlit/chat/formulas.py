"""Formulas as Chainlit's page knows them, between double dollars; many models write LaTeX's own brackets instead."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

DOLLARS = "$$"
CLOSES = {r"\(": r"\)", r"\[": r"\]"}

# What matters in a text: code, where nothing is a formula; a backslash and what it is for; the end of a
# paragraph, where code in a line ends that was never closed.
SIGN = re.compile(r"`+|\\.|\n[ \t]*\n", re.DOTALL)
UNFINISHED = re.compile(r"(?:(?<!\\)(?:\\\\)*\\`*|`+|\n[ \t\n]*)\Z")


async def with_dollars(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    r"""The same text, ``\(x\)`` and ``\[x\]`` in it between double dollars. A piece may end anywhere."""
    writer = _Writer()
    async for piece in pieces:
        if text := writer.take(piece):
            yield text
    if text := writer.rest():
        yield text


class _Writer:
    def __init__(self) -> None:
        self._held = ""  # may be the beginning of a sign
        self._line = ""  # what the line has before the sign
        self._code = ""  # the backticks that opened it
        self._formula = ""  # the bracket that opened it
        self._indent = ""  # of the line where it was opened

    def take(self, piece: str) -> str:
        text = self._held + piece
        unfinished = UNFINISHED.search(text)
        end = unfinished.start() if unfinished else len(text)
        self._held = text[end:]
        return self._write(text[:end])

    def rest(self) -> str:
        text, self._held = self._held, ""
        return self._write(text)

    def _write(self, text: str) -> str:
        written, at = "", 0
        for sign in SIGN.finditer(text):
            between = text[at : sign.start()]
            self._follow(between)
            shown = self._show(sign[0])
            self._follow(shown)
            written += between + shown
            at = sign.end()
        self._follow(text[at:])
        return written + text[at:]

    def _follow(self, text: str) -> None:
        self._line = (self._line + text).rpartition("\n")[2]

    def _show(self, sign: str) -> str:
        if sign.startswith("`"):
            if not self._code:
                self._code = "" if self._formula else sign
            elif sign == self._code or (len(self._code) >= 3 and len(sign) > len(self._code)):
                self._code = ""
        elif sign.startswith("\n"):
            if len(self._code) < 3:
                self._code = ""
        elif self._code:
            pass
        elif not self._formula and sign in CLOSES:
            self._formula = sign
            self._indent = self._line[: len(self._line) - len(self._line.lstrip())]
            return DOLLARS if sign == r"\(" else f"{self._new_line()}{DOLLARS}\n{self._indent}"
        elif self._formula and sign == CLOSES[self._formula]:
            display = self._formula == r"\["
            self._formula = ""
            return f"{self._new_line()}{DOLLARS}\n" if display else DOLLARS
        return sign

    def _new_line(self) -> str:
        return f"\n{self._indent}" if self._line.strip() else self._indent[len(self._line) :]
