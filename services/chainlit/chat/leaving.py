"""Whoever closes the page gives up the place in the line; whoever comes back in time keeps it."""

from __future__ import annotations

import asyncio

from chainlit.session import WebsocketSession

from chat.line import Line

BACK_WITHIN_SECONDS = 30.0  # a page that has lost its connection, or is loaded anew by the browser, is back by then
A_MOMENT_SECONDS = 0.5  # Chainlit may hear that the connection ended before it has read that the chat was closed


def page_left(session: WebsocketSession, line: Line) -> None:
    """The page's connection has ended. An answer that has begun is written to its end, for when the user comes back."""
    task, socket_id = session.current_task, session.socket_id

    def leave_if_closed() -> None:
        if session.to_clear and line.waits(task):
            task.cancel()

    def leave_if_not_back() -> None:
        if session.socket_id == socket_id and line.waits(task):
            task.cancel()

    if task is not None and line.waits(task):
        loop = asyncio.get_running_loop()
        loop.call_later(A_MOMENT_SECONDS, leave_if_closed)
        loop.call_later(BACK_WITHIN_SECONDS, leave_if_not_back)
