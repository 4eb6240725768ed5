"""Whoever closes the page gives up the place in the line; whoever comes back in time keeps it."""

from __future__ import annotations

import asyncio

from chainlit.session import WebsocketSession

from chat.line import Line

BACK_WITHIN_SECONDS = 30.0  # a page that has lost its connection, or is loaded anew by the browser, is back by then


def page_left(session: WebsocketSession, line: Line) -> None:
    """The page's connection has ended. An answer that has begun is written to its end, for when the user comes back."""
    task = session.current_task
    if task is None or not line.waits(task):
        return
    if session.to_clear:  # another chat was opened: nobody waits for this one
        task.cancel()
    else:
        asyncio.get_running_loop().call_later(BACK_WITHIN_SECONDS, _leave, session, session.socket_id, task, line)


def _leave(session: WebsocketSession, socket_id: str, task: asyncio.Task[object], line: Line) -> None:
    if session.socket_id == socket_id and line.waits(task):
        task.cancel()
