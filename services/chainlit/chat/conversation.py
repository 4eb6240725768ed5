"""What the model is told of a conversation: each question that was answered, its answer, and the question asked now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from openai.types.chat import ChatCompletionMessageParam

ANSWER = "answered-by"
"""The key in a message's metadata that tells the model's answers from the app's own words; holds the model's id."""

ATTACHED = "attached-text"
"""The key in a question's metadata that holds the text of its files."""


class Message(Protocol):
    """What is needed of a Chainlit message."""

    type: Any
    content: str
    metadata: dict[str, Any] | None


def for_model(messages: Iterable[Message], system_prompt: str | None = None) -> list[ChatCompletionMessageParam]:
    """The conversation as a chat completion wants it, oldest first.

    A question that got no answer (because of an error, say) is left out unless it is the last: many models' templates
    insist on question and answer taking turns.
    """
    told: list[ChatCompletionMessageParam] = []
    if system_prompt:
        told.append({"role": "system", "content": system_prompt})
    question: ChatCompletionMessageParam | None = None
    for message in messages:
        if message.type == "user_message":
            attached = (message.metadata or {}).get(ATTACHED)
            question = {"role": "user", "content": f"{attached}\n\n{message.content}" if attached else message.content}
        elif question and message.content and ANSWER in (message.metadata or {}):
            told += [question, {"role": "assistant", "content": message.content}]
            question = None
    return [*told, question] if question else told
