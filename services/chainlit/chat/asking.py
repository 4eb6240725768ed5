"""The two ways to ask a model server for an answer, token by token: a chat completion, or a response that it stores."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import openai
from openai import AsyncStream
from openai.types.chat import ChatCompletionChunk

from chat.conversation import Told
from chat.problems import Problem, from_openai, not_a_stream, of_message, stream_cut, unreadable
from chat.server import Server
from chat.settings import Settings

Event = TypeVar("Event")


@dataclass(frozen=True)
class Target:
    """Who is asked, and how."""

    server: Server
    model: str
    settings: Settings


@dataclass
class Ending:
    """What is known when the last token has come.

    Attributes:
        finish_reason: as in chat completions; None: the answer did not come to its end.
        prompt_tokens: as the server counts them; None where it does not say.
        completion_tokens: the same of the answer.
    """

    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True)
class Continuation:
    """What a server that holds the beginning of a conversation has to be told.

    Attributes:
        previous: the id of the response that it goes on from; None: it holds nothing of it yet.
        messages: what comes after that.
        instructions: the system prompt, which is told each time.
    """

    previous: str | None
    messages: Sequence[Told]
    instructions: str | None


async def completion(target: Target, told: Sequence[Told], ending: Ending) -> AsyncGenerator[str]:
    """Ask with the whole conversation.

    Raises:
        Problem: in time or in the midst of the answer.
    """
    parameters = {
        "temperature": target.settings.temperature,
        "top_p": target.settings.top_p,
        "max_tokens": target.settings.max_tokens,
        "stream_options": {"include_usage": True},
    }
    while True:
        asked = target.server.client.chat.completions.create(
            model=target.model,
            messages=[],
            # By this way they are sent as they are; by the other the client checks each part of each against its types,
            # which costs half of a question's time as soon as there are twenty of them.
            extra_body={"messages": list(told), **target.server.dialect.spoken(parameters)},
            stream=True,
        )
        try:
            async with _stream(target, asked) as chunks:
                async for chunk in chunks:
                    for text in _of_chunk(chunk, ending):
                        yield text
            return
        except Problem as problem:  # a refusal: nothing of an answer came
            if not target.server.dialect.learn(problem.__cause__):
                raise


async def stored_response(
    target: Target, continuation: Continuation, ending: Ending, begun: Callable[[str], None]
) -> AsyncGenerator[str]:
    """Ask with what is new, and have the server hold the conversation.

    Args:
        begun: gets the id under which the response will be stored.

    Raises:
        Problem: in time or in the midst of the answer.
    """
    body: dict[str, Any] = {
        "model": target.model,
        "input": list(continuation.messages),
        "temperature": target.settings.temperature,
        "top_p": target.settings.top_p,
        "max_output_tokens": target.settings.max_tokens,
        "store": True,
        "stream": True,
    }
    if continuation.previous:
        body["previous_response_id"] = continuation.previous
    if continuation.instructions:
        body["instructions"] = continuation.instructions
    # As plain JSON: openai's own types for it take a second to be built, in which nobody would be served.
    asked = target.server.client.post(
        "/responses", body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object]
    )
    async with _stream(target, asked) as events:
        async for event in events:
            text = _of_event(cast(dict[str, Any], event), target, continuation, ending, begun)
            if text:
                yield text


def _of_event(
    event: dict[str, Any], target: Target, continuation: Continuation, ending: Ending, begun: Callable[[str], None]
) -> str | None:
    response = event.get("response") or {}
    match event["type"]:
        case "response.created":
            if response.get("previous_response_id") != continuation.previous:
                raise unreadable(target.server.root)  # it would answer without the beginning of the conversation
            begun(str(response["id"]))
        case "response.output_text.delta":
            return str(event["delta"])
        case "response.completed" | "response.incomplete":
            cut = (response.get("incomplete_details") or {}).get("reason") == "max_output_tokens"
            ending.finish_reason = "length" if cut else "stop"
            usage = response.get("usage") or {}
            ending.prompt_tokens, ending.completion_tokens = usage.get("input_tokens"), usage.get("output_tokens")
        case "response.failed":
            raise of_message(str((response.get("error") or {}).get("message", "")), target.model)
    return None


def _of_chunk(chunk: ChatCompletionChunk, ending: Ending) -> list[str]:
    if chunk.usage:
        ending.prompt_tokens, ending.completion_tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
    choices = chunk.choices[:1]  # none in a usage chunk
    for choice in choices:
        ending.finish_reason = choice.finish_reason or ending.finish_reason
    return [choice.delta.content for choice in choices if choice.delta.content]


@asynccontextmanager
async def _stream(target: Target, asked: Awaitable[AsyncStream[Event]]) -> AsyncIterator[AsyncStream[Event]]:
    """What comes; every way in which it can go wrong becomes a Problem."""
    root, model = target.server.root, target.model
    try:
        stream = await asked
    except openai.OpenAIError as error:
        raise from_openai(error, root=root, model=model) from error
    try:
        async with stream:
            if "event-stream" not in stream.response.headers.get("content-type", ""):
                body = (await stream.response.aread()).decode(errors="replace")
                raise not_a_stream(body, root=root, model=model)
            yield stream
    except openai.APIConnectionError as gone:
        raise stream_cut() from gone
    except openai.OpenAIError as error:  # the server's own word in the stream, under status 200
        raise from_openai(error, root=root, model=model) from error
    except (LookupError, ValueError, TypeError, AttributeError) as noise:  # no JSON, or none of an answer
        raise unreadable(root) from noise
