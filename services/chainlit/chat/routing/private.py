"""What in a text is private by its form: addresses, numbers with check digits, keys and passwords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["email", "phone", "iban", "card", "national-id", "secret"]
KINDS: tuple[Kind, ...] = ("email", "phone", "iban", "card", "national-id", "secret")


@dataclass(frozen=True, order=True)
class Finding:
    """``text[start:end]`` is private. What stands there is not repeated here, so that no log can show it."""

    start: int
    end: int
    kind: Kind


def find(text: str) -> list[Finding]:
    """All of it, in the order of the text, without overlaps."""
    raise NotImplementedError
