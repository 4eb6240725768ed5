"""Passwords in tables, by the name of the column."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chat.routing.finders.secret_names import NAMES_OF_PASSWORDS
from chat.routing.finders.stand_ins import SHORTEST, is_mixed, is_said_of_one, is_stand_in, is_type

Span = tuple[int, int]

SIGNS = "\t|;,"
AROUND = " \"'*`"
HEAD = re.compile(
    rf"^(?=[^\n]{{0,300}}(?:{NAMES_OF_PASSWORDS}|\bpass\b|\bpw\b))[^\n]{{0,300}}[,;|\t][^\n]{{0,300}}$",
    re.IGNORECASE | re.MULTILINE,
)
COLUMNS_NAME = re.compile(rf"(?:\w{{1,20}}[ _-])?(?:{NAMES_OF_PASSWORDS}|pass|pw)", re.IGNORECASE)


def passwords_in_columns(text: str) -> Iterator[Span]:
    """Under a column's name, in tables as they are exported or drawn with signs."""
    done = 0
    for head in HEAD.finditer(text):
        if head.start() < done:
            continue
        sign = next(each for each in SIGNS if each in head[0])
        names = [name.strip(AROUND) for name in head[0].split(sign)]
        columns = {place for place, name in enumerate(names) if COLUMNS_NAME.fullmatch(name)}
        for start, row in _rows(text, head.end() + 1) if columns else ():
            cells = row.split(sign)
            if len(cells) <= max(columns):
                break
            yield from _passwords(start, cells, columns, is_drawn=sign == "|")
            done = start


def _rows(text: str, at: int) -> Iterator[tuple[int, str]]:
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        yield at, text[at:end]
        at = end + 1


def _passwords(start: int, cells: list[str], columns: set[int], *, is_drawn: bool) -> Iterator[Span]:
    for place, cell in enumerate(cells):
        value = cell.strip(AROUND)
        if place in columns and _is_password(value, is_drawn=is_drawn):
            begins = start + cell.index(value)
            yield begins, begins + len(value)
        start += len(cell) + 1


def _is_password(value: str, *, is_drawn: bool) -> bool:
    """In what is drawn there are rather words about passwords."""
    if len(value) < SHORTEST or " " in value or is_stand_in(value) or is_said_of_one(value):
        return False
    return is_mixed(value) if is_drawn else not is_type(value)
