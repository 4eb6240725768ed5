"""What the user marks private: a question, by the button beside the box it is written in, or all that a chat says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import chainlit as cl

from chat.settings import Settings

PRIVATE = "private"
"""The key in a question's metadata."""

COMMAND = "Private"


class Marked(Protocol):
    """What is needed of a Chainlit message."""

    metadata: dict[str, object] | None


async def offer(knobs: Settings) -> None:
    """Show the button, where there is a cloud."""
    if knobs.cloud_url:
        said = "Answered on this machine, whatever else is set; this chat stays here from then on"
        await cl.context.emitter.set_commands(
            [{"id": COMMAND, "description": said, "icon": "lock", "button": True, "persistent": False}]
        )


async def take(question: cl.Message, knobs: Settings) -> None:
    """Note it with the question, so that it still counts when the chat is opened again."""
    if question.command == COMMAND or (knobs.cloud_url and knobs.switch == "private"):
        question.metadata = {**(question.metadata or {}), PRIVATE: True}
        await question.update()


def any_in(messages: Iterable[Marked]) -> bool:
    """Whether one of them is marked."""
    return any((message.metadata or {}).get(PRIVATE) for message in messages)
