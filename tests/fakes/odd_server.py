"""A model server whose completions are whatever a test wants them to be, down to the bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from fakes.foundry import SSE_HEADERS, Received, _chunk
from fakes.model_server import ModelServer

Event = bytes | str | dict[str, Any]


def answer(status: str, body: str, content_type: str = "application/json") -> bytes:
    """A whole HTTP answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    return head.encode() + body.encode()


def part(text: str | None, finish: str | None = None, **more: str) -> dict[str, Any]:
    """An event of an answer that streams.

    Args:
        more: other fields of what is new, such as ``reasoning_content``.
    """
    delta = more if text is None else {"content": text, **more}
    choice = {"delta": delta, "finish_reason": finish, "index": 0}
    return {"choices": [choice], "id": "chatcmpl-1", "model": "m", "object": "chat.completion.chunk"}


class OddServer(ModelServer):
    """Set one of the attributes, then ask it."""

    def __init__(self) -> None:
        super().__init__()
        self.whole: bytes | None = None
        """The HTTP answer to a question."""
        self.lists: bytes | None = None
        """The HTTP answer to whoever asks for the models, known or loaded."""
        self.events: Sequence[Event] | None = None
        """The events of the stream: JSON, the text after ``data:``, or bytes as they are."""
        self.between_seconds = 0.0
        """How long each event but the first takes to come."""

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        if self.lists is not None and received.target in ("/v1/models", "/models/loaded"):
            writer.write(self.lists)
            await writer.drain()
            return True
        if received.target != "/v1/chat/completions" or (self.whole is None and self.events is None):
            return await super()._answer(received, writer)
        if self.whole is not None:
            writer.write(self.whole)
            await writer.drain()
            return True
        writer.write(SSE_HEADERS.encode())
        for number, event in enumerate(self.events or ()):
            await asyncio.sleep(self.between_seconds if number else 0)
            writer.write(_chunk(_as_bytes(event)))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _as_bytes(event: Event) -> bytes:
    if isinstance(event, bytes):
        return event
    text = event if isinstance(event, str) else json.dumps(event)
    return f"data: {text}\n\n".encode()
