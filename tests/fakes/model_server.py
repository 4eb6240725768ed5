"""Foundry Local as the chat app may meet it: without its model, behind an unhappy relay, or as another server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

from fakes.foundry import MODEL, FakeFoundry, Received, _choice, _event, _json, _left_within

Refusal = tuple[str, dict[str, Any]]
"""Status line and JSON body."""


class ModelServer(FakeFoundry):
    """Set the attributes, then ask it."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(host=host)
        self.models = [MODEL]
        self.loaded: list[str] | None = None
        """None: all of `models`."""
        self.knows_loaded = True
        """False: an OpenAI-compatible server that is not Foundry Local."""
        self.refuses: Refusal | None = None
        """What every request gets."""
        self.chat_refuses: Refusal | None = None
        """What completions get."""
        self.error: dict[str, Any] | None = None
        """An error event in the stream after the tokens."""
        self.finish_reason: str | None = "stop"
        """None: the stream ends properly, but the answer in it does not."""
        self.endless = False
        """Goes on until the client leaves."""
        self.seconds_to_first_token = 0.0
        self.silent_on: set[str] = set()
        """Paths whose requests, from now on, are taken and get no answer."""

    @property
    def completions(self) -> list[Received]:
        """The completions asked for."""
        return [received for received in self.requests if received.target == "/v1/chat/completions"]

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        chat = received.target == "/v1/chat/completions"
        reply: bytes | None = None
        if received.target in self.silent_on:
            await received.client_left.wait()
            return False
        if chat and await _left_within(received, self.seconds_to_first_token):
            return False
        if refusal := self.refuses or (self.chat_refuses if chat else None):
            reply = _json(refusal[1], refusal[0])
        elif received.target == "/models/loaded":
            missing = _json({"error": "no such page"}, "404 Not Found")
            reply = _json(self.models if self.loaded is None else self.loaded) if self.knows_loaded else missing
        elif received.target == "/v1/models":
            reply = _json({"object": "list", "data": [{"id": model, "object": "model"} for model in self.models]})
        if reply is None:
            return await super()._answer(received, writer)
        writer.write(reply)
        await writer.drain()
        return True

    async def _chat(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        loaded = self.models if self.loaded is None else self.loaded
        if received.json.get("stream") and received.json.get("model") in loaded:
            return await self._stream(received, writer)
        return await super()._chat(received, writer)

    def _events(self, received: Received) -> Iterator[bytes]:  # type: ignore[override]
        tokens = chain(self.tokens, repeat(" on") if self.endless else ())
        yield _event(_choice({"content": "", "role": "assistant"}, None))
        for token in tokens:
            yield _event(_choice({"content": token}, None))
        if self.error is not None:
            yield _event({"error": self.error})
        elif self.finish_reason:
            yield _event(_choice({}, self.finish_reason))
            yield b"data: [DONE]\n\n"
