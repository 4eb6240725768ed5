"""What the user marks private: a question, by the button beside the box it is written in, or all that a chat says."""

from __future__ import annotations

import chainlit as cl

from chat.conversation import is_answer
from chat.marked import COMMAND, PRIVATE
from chat.settings import Settings


async def offer(knobs: Settings) -> None:
    """Show the button, where there is a cloud."""
    if knobs.cloud_url:
        said = "Answered on this machine, whatever else is set; this chat stays here from then on"
        await cl.context.emitter.set_commands(
            [{"id": COMMAND, "description": said, "icon": "lock", "button": True, "persistent": False}]
        )


async def take(question: cl.Message, knobs: Settings) -> None:
    """Note it with the question, so that it still counts when the chat is opened again."""
    if question.command == COMMAND or knobs.switch == "private":
        await _mark(question)


async def take_what_is_under_way() -> None:
    """The chat is private from now on, and so is a question that waits for its answer just now."""
    turns = (each for each in reversed(cl.chat_context.get()) if each.type == "user_message" or is_answer(each))
    newest = next(turns, None)
    if newest and newest.type == "user_message":
        await _mark(newest)


async def _mark(question: cl.Message) -> None:
    question.metadata = {**(question.metadata or {}), PRIVATE: True}
    await question.update()
