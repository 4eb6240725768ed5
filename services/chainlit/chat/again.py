"""Another answer to the newest question, in place of the one that is there: a button under the newest answer."""

from __future__ import annotations

import asyncio

import chainlit as cl
from chainlit.context import context
from chainlit.socket import edit_message

from chat.settings import Settings

NAME = "again"
OFFERED = "again-offered"
WANTED = "again-wanted"

TEMPERATURE = 0.7  # with 0 the same words would come again


async def withdraw() -> None:
    """Take the button from under the answer that is no longer the newest."""
    if offered := cl.user_session.get(OFFERED):
        cl.user_session.set(OFFERED, None)
        await offered.remove()


def offer(reply: cl.Message) -> None:
    """Put the button under an answer that is about to be sent."""
    button = cl.Action(name=NAME, payload={}, icon="refresh-cw", label="Again", tooltip="Have this answered again")
    reply.actions = [button]
    cl.user_session.set(OFFERED, button)


def ask() -> None:
    """The button was pressed: the newest question is asked again, as if it had been edited to the same words."""
    session = context.session
    question = next((each for each in reversed(cl.chat_context.get()) if each.type == "user_message"), None)
    if question is None or (session.current_task and not session.current_task.done()):
        return
    cl.user_session.set(WANTED, True)
    # Not waited for: the browser's request would be open for as long as the answer takes.
    session.current_task = asyncio.create_task(edit_message(session.socket_id, {"message": question.to_dict()}))


def as_wanted(knobs: Settings) -> Settings:
    """For this answer: as set, but when it is another one that is wanted, then more surprising."""
    wanted = cl.user_session.get(WANTED)
    cl.user_session.set(WANTED, None)
    return knobs.model_copy(update={"temperature": max(knobs.temperature, TEMPERATURE)}) if wanted else knobs
