"""What in a text is private by its form: addresses, numbers with check digits, keys and passwords.

It finds forms, not meanings: a name, an illness or a secret told in words is private only if the user says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from chat.routing.finders import addresses, credentials, numbers
from chat.routing.finders.plain_form import plain_form

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


@dataclass(frozen=True, order=True)
class Finding:
    """``text[start:end]`` is private. What stands there is not repeated here, so that no log can show it."""

    start: int
    end: int
    kind: Kind


def find(text: str) -> list[Finding]:
    """All of it, in the order of the text, without overlaps."""
    plain = plain_form(text)
    found: list[Finding] = []
    taken = bytearray(len(text))
    for kind, finder in FINDERS.items():
        for span in finder(plain.text):
            start, end = plain.before(*span)
            if not any(taken[start:end]):
                taken[start:end] = bytes([1]) * (end - start)
                found.append(Finding(start, end, kind))
    return sorted(found)


def kinds_in(texts: Iterable[str]) -> list[Kind]:
    """Which kinds there are in any of the texts."""
    seen = {finding.kind for text in texts for finding in find(text)}
    return [kind for kind in FINDERS if kind in seen]
