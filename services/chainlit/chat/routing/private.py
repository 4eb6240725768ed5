"""What in a text is private by its form: addresses, numbers with check digits, keys and passwords.

It finds forms, not meanings: a name, an illness or a secret told in words is private only if the user says so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Literal

from chat.routing.finders import addresses, credentials, numbers
from chat.routing.finders.plain_form import PlainForm, plain_form
from chat.routing.finders.spread import (
    is_across,
    is_of_a_list,
    is_one_a_line,
    with_groups_together,
    with_tokens_together,
)

Kind = Literal["secret", "email", "iban", "card", "national-id", "phone"]
NAMES: dict[Kind, str] = {
    "secret": "a key or password",  # nosec B105  (what it is called)
    "email": "an e-mail address",
    "iban": "an account number",
    "card": "a card number",
    "national-id": "a national id",
    "phone": "a telephone number",
}
"""For the user."""

# In this order: what is taken for two kinds is the first of them.
FINDERS: dict[Kind, Callable[[str], Iterator[tuple[int, int]]]] = {
    "secret": credentials.secrets,
    "email": addresses.emails,
    "iban": numbers.ibans,
    "card": numbers.cards,
    "national-id": numbers.national_ids,
    "phone": addresses.phones,
}
GRAVITY = {kind: place for place, kind in enumerate(FINDERS)}
GROUPED: tuple[Kind, ...] = ("iban", "card", "national-id", "phone")
"""Numbers that are written in groups, so that they break over lines."""

Span = tuple[int, int]


@dataclass(frozen=True, order=True)
class Finding:
    """``text[start:end]`` is private. What stands there is not repeated here, so that no log can show it."""

    start: int
    end: int
    kind: Kind


MOST_LETTERS = 300_000
"""What is longer, all texts together, is not looked through: nobody knows whether it is private, so it stays here."""


def find(text: str) -> list[Finding]:
    """All of it, in the order of the text, without overlaps."""
    found: list[Finding] = []
    taken = bytearray(len(text))
    for each in sorted(_all(text), key=lambda finding: GRAVITY[finding.kind]):
        if not any(taken[each.start : each.end]):
            taken[each.start : each.end] = bytes([1]) * (each.end - each.start)
            found.append(each)
    return sorted(found)


def kinds_in(texts: Iterable[str]) -> list[Kind]:
    """Which kinds there are in any of the texts."""
    seen = {finding.kind for text in texts for finding in find(text)}
    return [kind for kind in FINDERS if kind in seen]


def first_kind_in(texts: Iterable[str]) -> Kind | None:
    """The first that is found; a text that was looked through before is not looked through again."""
    return next((kind for text in texts if (kind := _known.kind_in(text))), None)


def is_too_long(texts: Sequence[str]) -> bool:
    """Whether they are more than can be looked through while somebody waits."""
    return sum(map(len, texts)) > MOST_LETTERS


def _all(text: str) -> Iterator[Finding]:
    """Perhaps some of it twice: as one kind and as another, or in one piece and as a part of something longer."""
    plain = plain_form(text)
    for kind, finder in FINDERS.items():
        for span in finder(plain.text):
            yield Finding(*plain.before(*span), kind)
    for form in with_tokens_together(plain.text):
        yield from _across(plain, form, "secret", credentials.tokens)
    for form in with_groups_together(plain.text):
        for kind in GROUPED:
            yield from _across(plain, form, kind, FINDERS[kind])


def _across(
    plain: PlainForm, form: PlainForm, kind: Kind, finder: Callable[[str], Iterator[Span]]
) -> Iterator[Finding]:
    """Only what is not in one piece in the text as it is."""
    for span in finder(form.text):
        if is_across(plain.text, form, *span):
            start, end = form.before(*span)
            if kind == "phone" and ("\n" not in plain.text[start:end] or is_one_a_line(plain.text, start, end)):
                continue  # its finder knows of spaces
            if kind == "iban" or not is_of_a_list(plain.text, start, end):
                yield Finding(*plain.before(start, end), kind)


class _Known:
    """What was found in texts of late, by their digests: the texts are not kept.

    Each question is looked through with the whole chat before it.
    """

    MOST = 4096  # of them

    def __init__(self) -> None:
        self._kinds: OrderedDict[bytes, Kind | None] = OrderedDict()
        self._lock = Lock()  # texts are looked through in threads

    def kind_in(self, text: str) -> Kind | None:
        digest = sha256(text.encode(errors="surrogatepass")).digest()
        with self._lock:
            if digest in self._kinds:
                self._kinds.move_to_end(digest)
                return self._kinds[digest]
        kind = next((finding.kind for finding in _all(text)), None)
        with self._lock:
            self._kinds[digest] = kind
            while len(self._kinds) > self.MOST:
                self._kinds.popitem(last=False)
        return kind


_known = _Known()
