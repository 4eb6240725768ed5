"""A chat's switch: where its questions may be answered.

It is the chat's, not the page's: kept as soon as it is turned, and heeded by every page on which the chat is open.
"""

from __future__ import annotations

from typing import Protocol, cast, get_args

import chainlit as cl
from chainlit.data import get_data_layer

from chat.choices import SWITCH
from chat.settings import Switch

POSITIONS: tuple[Switch, ...] = get_args(Switch)
"""The stricter, the later."""


class _Store(Protocol):
    """What is needed of `chat.store.layer`, which is there only where chats are kept."""

    async def keep_switch(self, thread_id: str, switch: Switch) -> None: ...
    async def switch_of(self, thread_id: str) -> Switch | None: ...


def of_page() -> Switch | None:
    """As this page has it; None: as every new chat begins."""
    return cast("Switch | None", cl.user_session.get(SWITCH))


async def turn(to: Switch) -> None:
    """The user turns it."""
    cl.user_session.set(SWITCH, to)
    if store := _store():
        await store.keep_switch(cl.context.session.thread_id, to)


async def heed(now: Switch) -> bool:
    """Of what this page has and what the chat has, turned on another page perhaps, the stricter counts.

    Args:
        now: as it counts on this page.

    Returns:
        Whether this page's has changed.
    """
    store = _store()
    kept = await store.switch_of(cl.context.session.thread_id) if store else None
    if kept is None or stricter(now, kept) == now:
        return False
    cl.user_session.set(SWITCH, kept)
    return True


def stricter(one: Switch, other: Switch) -> Switch:
    """Of the two."""
    return max(one, other, key=POSITIONS.index)


def _store() -> _Store | None:
    return cast("_Store | None", get_data_layer())
