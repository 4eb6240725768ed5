"""Whoever closes the page gives up the place in the line; whoever comes back in time keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from chat.line import Line

BACK_WITHIN_SECONDS = 30.0  # a page that has lost its connection, or is loaded anew by the browser, is back by then
A_MOMENT_SECONDS = 0.5  # Chainlit may hear that the connection ended before it has read that the chat was closed


class Session(Protocol):
    """What is needed of Chainlit's session."""

    current_task: asyncio.Task[object] | None
    socket_id: str  # another one when the page is back
    to_clear: bool


def page_left(session: Session, line: Line) -> None:
    """The page's connection has ended. An answer that has begun is written to its end, for when the user comes back."""
    task, socket_id = session.current_task, session.socket_id
    if task is None or not line.waits(task):
        return
    waiting = task

    def leave_if(gone: Callable[[], bool]) -> None:
        if gone() and line.waits(waiting):
            waiting.cancel()

    loop = asyncio.get_running_loop()
    loop.call_later(A_MOMENT_SECONDS, leave_if, lambda: session.to_clear)
    loop.call_later(BACK_WITHIN_SECONDS, leave_if, lambda: session.socket_id == socket_id)
