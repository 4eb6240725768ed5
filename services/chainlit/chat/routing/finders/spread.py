"""The same text with its numbers, or its tokens, in one piece: they break over lines, and groups are spread."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chat.routing.finders.near import NEAR
from chat.routing.finders.plain_form import PlainForm

Span = tuple[int, int]

BREAK = r"[ \t]*\n[\s>]*"  # with the marks of a quotation
IN_A_NUMBER = re.compile(rf"(?<=[\dA-Za-z)-])(?:{BREAK}| {{2,4}})(?=[\dA-Za-z(])")
IN_A_TOKEN = re.compile(rf"(?<=[\w.+/=-])(?:{BREAK})(?=[\w.+/=-])")
DIVIDES = ",;|\t"


def with_groups_together(text: str) -> Iterator[PlainForm]:
    """One space between the groups of a number, where there were more or a new line.

    Each second line's end at a time too, so that a number is not hidden by what stands before or after it.
    """
    gaps = [gap for gap in IN_A_NUMBER.finditer(text) if _is_in_number(text, *gap.span())]
    for some in (gaps, gaps[::2], gaps[1::2]) if len(gaps) > 1 else (gaps,) if gaps else ():
        yield _with(text, some, " ")


def with_tokens_together(text: str) -> Iterator[PlainForm]:
    """Without the new lines within."""
    gaps = list(IN_A_TOKEN.finditer(text))
    if gaps:
        yield _with(text, gaps, "")


def is_across(text: str, form: PlainForm, start: int, end: int) -> bool:
    """Whether that has been put together: it does not stand so in the text."""
    return form.text[start:end] != text[slice(*form.before(start, end))]


def is_of_a_list(text: str, start: int, end: int) -> bool:
    """Whether it is made of numbers that are no groups of one: some lines of a list, or cells of two rows."""
    if "\n" not in text[start:end]:
        return False
    before, after = text[max(0, start - NEAR) : start].rstrip(" ")[-1:], text[end : end + NEAR].lstrip(" ")[:1]
    if before and before in DIVIDES and after and after in DIVIDES:
        return True
    if re.search(r"\d {2,8}\Z", text[max(0, start - 9) : start]) or re.match(r" {2,8}\d", text[end : end + 9]):
        return True
    begins, ends = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    ends = len(text) if ends < 0 else ends
    above = text[max(0, begins - NEAR) : max(0, begins - 1)].rpartition("\n")[2]
    below = text[ends + 1 : ends + 1 + NEAR].partition("\n")[0]
    is_alone = not text[begins:start].strip() and not text[end:ends].strip()
    return is_alone and is_one_a_line(text, start, end) and any(line.strip().isdecimal() for line in (above, below))


def is_one_a_line(text: str, start: int, end: int) -> bool:
    """Whether each of its groups has a line of its own: so are lists written, and no telephone number."""
    return all(line.strip().isdecimal() for line in text[start:end].split("\n"))


def _is_in_number(text: str, start: int, end: int) -> bool:
    """A digit not far on both sides: groups of an account number may be letters."""
    return any(map(str.isdigit, text[max(0, start - 4) : start])) and any(map(str.isdigit, text[end : end + 5]))


def _with(text: str, gaps: list[re.Match[str]], instead: str) -> PlainForm:
    pieces: list[str] = []
    places: list[int] = []
    at = 0
    for gap in gaps:
        pieces += [text[at : gap.start()], instead]
        places += range(at, gap.start() + len(instead))
        at = gap.end()
    pieces.append(text[at:])
    return PlainForm("".join(pieces), [*places, *range(at, len(text))])
