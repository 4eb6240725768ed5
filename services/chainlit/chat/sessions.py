"""What Chainlit does not keep in mind of its sessions, and what it forgets to take away with them."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

import chainlit.socket
from chainlit.chat_context import chat_contexts
from chainlit.context import context
from chainlit.server import sio
from chainlit.session import WebsocketSession

from chat import again

_answers: WeakKeyDictionary[WebsocketSession, asyncio.Task[object]] = WeakKeyDictionary()
_taken_up: WeakKeyDictionary[WebsocketSession, object] = WeakKeyDictionary()
"""False: all that was said is in its chat context; else which call of `_connected` is at it."""
_delete = WebsocketSession.delete


def look_after() -> None:
    """From now on."""
    sio.on("connection_successful", _connected)
    WebsocketSession.delete = _delete_all


def answer_begins(session: WebsocketSession) -> None:
    """In this task. Stop cancels it, also when Chainlit runs it for an edited question and forgets to note it."""
    session.current_task = task = asyncio.current_task()
    if task:
        _answers[session] = task


def answer_ends(session: WebsocketSession) -> None:
    """What was said is not kept in memory for a page that has left meanwhile."""
    if WebsocketSession.get_by_id(session.id) is not session:
        chat_contexts.pop(session.id, None)


def is_whole(session: object) -> bool:
    """Whether all that was said in its chat is known; not while the chat is being taken up again."""
    return isinstance(session, WebsocketSession) and _taken_up.get(session, True) is False


async def _connected(socket_id: str) -> None:
    """A page that lost its connection is told that nothing is under way, and could ask a second time meanwhile."""
    session, this_time = WebsocketSession.get(socket_id), object()
    if session:
        _taken_up[session] = this_time
    await chainlit.socket.connection_successful(socket_id)
    if session is None:
        return
    if _taken_up.get(session) is this_time:
        _taken_up[session] = False
    answer = _answers.get(session)
    if answer and not answer.done():
        await context.emitter.task_start()
    else:
        await again.offer_under_newest()


async def _delete_all(session: WebsocketSession) -> None:
    await _delete(session)
    chat_contexts.pop(session.id, None)
