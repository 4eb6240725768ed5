"""Lines on the page that are no part of the conversation: not kept, not told to the model, not copied with an answer.

They are sent as steps of kinds that Chainlit does not know, so that `public/look.css` knows them. What must be there
again when a chat is resumed stands in its answer's metadata.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Protocol

FIGURES = "figures"
"""The key in an answer's metadata that holds the line under it."""

FIGURES_KIND = "figures_message"
PLACE_KIND = "place_message"
BEFORE = "before"
"""The key in its metadata that holds how many are waiting before; the probe reads it."""

Step = dict[str, Any]


class Message(Protocol):
    """What is needed of a Chainlit message."""

    parent_id: str | None

    def to_dict(self) -> Any: ...


class Page(Protocol):
    """What is needed of Chainlit's emitter."""

    async def send_step(self, step_dict: Any) -> object: ...
    async def update_step(self, step_dict: Any) -> object: ...
    async def delete_step(self, step_dict: Any) -> object: ...


class Place:
    """The line that says how many are before, where the answer will be.

    Args:
        reply: will hold the answer.
    """

    def __init__(self, reply: Message, page: Page) -> None:
        self._reply = reply
        self._page = page
        self._step: Step | None = None

    async def show(self, before: int, answered: int) -> None:
        """Say it, or say it anew."""
        waiting = "You are next." if before == 0 else f"In line: **{before} before you.**"
        served = "one answer is" if answered == 1 else f"{answered} answers are"
        said = f"{waiting} Just now {served} being written. *Stop* leaves the line."
        is_new = self._step is None
        self._step = _step(self._reply.to_dict(), PLACE_KIND, said, self._reply.parent_id, {BEFORE: before})
        await (self._page.send_step if is_new else self._page.update_step)(self._step)

    async def gone(self) -> None:
        """Take it away."""
        if self._step is not None:
            step, self._step = self._step, None
            await self._page.delete_step(step)


async def show_figures(answer: Message, page: Page) -> None:
    """Show the line under an answer that is on the page."""
    for line in _lines_under(answer.to_dict()):
        await page.send_step(line)


def with_figures(steps: Iterable[Step]) -> list[Step]:
    """The steps of a chat that is resumed, and the line under each answer."""
    return [each for step in steps for each in (step, *_lines_under(step))]


def _lines_under(answer: Step) -> list[Step]:
    said = (answer.get("metadata") or {}).get(FIGURES)
    return [_step(answer, FIGURES_KIND, str(said), answer["id"])] if said else []


def _step(like: Step, kind: str, said: str, parent: str | None, metadata: Step | None = None) -> Step:
    return {
        **like,
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {like['id']}")),
        "parentId": parent,
        "type": kind,
        "output": said,
        "metadata": metadata or {},
        "createdAt": like.get("createdAt") or datetime.now(UTC).isoformat(),
    }
