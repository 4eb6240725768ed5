"""What the model is told of a conversation: each question that was answered, its answer, and the question asked now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol, TypedDict, TypeVar

ANSWER = "answered-by"
"""The key in a message's metadata that tells the model's answers from the app's own words; holds the model's id."""

ATTACHED = "attached-text"
"""The key in a question's metadata that holds the text of the files that came with it."""

FILES = "attached-files"
"""The key that holds their names and types."""


class Told(TypedDict):
    """One message as the model is told it."""

    role: Literal["system", "user", "assistant"]
    content: str


class Message(Protocol):
    """What is needed of a Chainlit message."""

    type: Any
    content: str
    metadata: dict[str, Any] | None


class HasId(Protocol):
    """The same, where messages are looked for."""

    id: str


Asked = TypeVar("Asked", bound=HasId)


def is_answer(message: Message) -> bool:
    """Whether it is the model's; else it is the user's, or the app's own word."""
    return ANSWER in (message.metadata or {})


def up_to(question: Asked, messages: Sequence[Asked]) -> list[Asked]:
    """The conversation as it was when the question was asked: others may have been asked meanwhile."""
    places = [place for place, message in enumerate(messages) if message.id == question.id]
    return [*messages[: places[0] if places else None], question]


def for_model(messages: Iterable[Message], system_prompt: str | None = None) -> list[Told]:
    """The conversation as a chat completion wants it, oldest first.

    A question that got no answer (because of an error, say) is left out unless it is the last: many models' templates
    insist on question and answer taking turns.
    """
    told: list[Told] = []
    if system_prompt:
        told.append({"role": "system", "content": system_prompt})
    question: Told | None = None
    for message in messages:
        if message.type == "user_message":
            question = {"role": "user", "content": with_files(message)}
        elif question and message.content and is_answer(message):
            told += [question, {"role": "assistant", "content": message.content}]
            question = None
    return [*told, question] if question else told


def without_system(told: Sequence[Told]) -> tuple[str | None, list[Told]]:
    """The system prompt, if there is one, and the turns after it."""
    if told and told[0]["role"] == "system":
        return told[0]["content"], list(told[1:])
    return None, list(told)


def with_files(question: Message) -> str:
    """As the model is told it."""
    attached = (question.metadata or {}).get(ATTACHED)
    return f"{attached}\n\n{question.content}" if attached else question.content
