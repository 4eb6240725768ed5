"""Which questions are marked private, as it stands with each of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

PRIVATE = "private"
"""The key in a question's metadata."""

COMMAND = "Private"
"""The button's, which comes with the question that it was pressed for."""


class Marked(Protocol):
    """What is needed of a Chainlit message."""

    command: str | None
    metadata: dict[str, object] | None


def any_in(messages: Iterable[Marked]) -> bool:
    """Whether one of them is marked; by the button it is from the first moment that it is stored."""
    return any(message.command == COMMAND or (message.metadata or {}).get(PRIVATE) for message in messages)
