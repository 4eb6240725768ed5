"""Another answer to the newest question, in place of the one that is there: a button under the newest answer."""

from __future__ import annotations

import asyncio
import uuid

import chainlit as cl
from chainlit.context import context
from chainlit.socket import edit_message

from chat.conversation import ANSWER
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
    button = _button(reply.id)
    reply.actions = [button]
    cl.user_session.set(OFFERED, button)


async def offer_under_newest() -> None:
    """The same in a chat that is opened again, where the answer has come already."""
    newest = next((each for each in reversed(cl.chat_context.get()) if _is_turn(each)), None)
    if newest is None or newest.type == "user_message" or cl.user_session.get(OFFERED):
        return
    button = _button(newest.id)
    cl.user_session.set(OFFERED, button)
    await button.remove()  # a page that was away still has it
    await button.send(for_id=newest.id)


def ask() -> None:
    """The button was pressed: the newest question is asked again, as if it had been edited to the same words."""
    session = context.session
    question = next((each for each in reversed(cl.chat_context.get()) if each.type == "user_message"), None)
    if question is None or (session.current_task and not session.current_task.done()):
        return
    cl.user_session.set(WANTED, True)
    # Not waited for: the browser's request would be open for as long as the answer takes.
    session.current_task = asyncio.create_task(edit_message(session.socket_id, {"message": question.to_dict()}))


def is_wanted() -> bool:
    """Whether this answer is to be another one to the same question; it is so once for each press of the button."""
    wanted = cl.user_session.get(WANTED)
    cl.user_session.set(WANTED, None)
    return bool(wanted)


def more_surprising(knobs: Settings) -> Settings:
    """As set, but not so that the same words come again."""
    return knobs.model_copy(update={"temperature": max(knobs.temperature, TEMPERATURE)})


def _is_turn(message: cl.Message) -> bool:
    return message.type == "user_message" or ANSWER in (message.metadata or {})


def _button(answer_id: str) -> cl.Action:
    return cl.Action(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{NAME} {answer_id}")),
        name=NAME,
        payload={},
        icon="refresh-cw",
        label="Again",
        tooltip="Have this answered again",
    )
