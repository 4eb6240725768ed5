"""Foundry Local as the chat app may meet it: without its model, behind an unhappy relay, or as another server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

from chat.context import IMPOSSIBLE
from fakes.foundry import MODEL, FakeFoundry, Received, _choice, _event, _json, _left_within

Refusal = tuple[str, dict[str, Any]]
"""Status line and JSON body."""


class ModelServer(FakeFoundry):
    """Set the attributes, then ask it. With ``finish_reason`` None the stream ends well, the answer does not."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(host=host)
        self.models = [MODEL]
        self.loaded: list[str] | None = None
        """None: all of `models`."""
        self.knows_loaded = True
        """False: an OpenAI-compatible server that is not Foundry Local."""
        self.loaded_refuses: Refusal | None = None
        """What the question gets which models are loaded."""
        self.refuses: Refusal | None = None
        """What every request gets."""
        self.chat_refuses: Refusal | None = None
        """What completions get."""
        self.chat_refuses_first: list[Refusal | None] = []
        """What the first questions get, one each; None: the connection is closed without a word."""
        self.error: dict[str, Any] | None = None
        """An error event in the stream after the tokens."""
        self.knows_responses = True
        """False: a server that has no `/v1/responses`."""
        self.reports_usage = True
        self.says_of_a_model: dict[str, Any] = {}
        """More fields in the list of models: many servers tell the context's length there, Foundry Local does not."""
        self.endless = False
        """Goes on until the client leaves."""
        self.seconds_to_first_token = 0.0
        self.chat_paths: set[str] = set()
        """Other addresses at which completions are asked for."""
        self.silent_on: set[str] = set()
        """Paths whose requests, from now on, are taken and get no answer."""

    @property
    def completions(self) -> list[Received]:
        """The completions asked for; not the question that nobody can answer, by which the app learns the limit."""
        return [
            received
            for received in self.requests
            if received.target == "/v1/chat/completions" and received.json.get("max_tokens") != IMPOSSIBLE
        ]

    @property
    def responses(self) -> list[Received]:
        """The questions asked of conversations that are held."""
        return [received for received in self.requests if received.target == "/v1/responses"]

    @property
    def deleted(self) -> list[str]:
        """The ids of the responses that were to be deleted, in this order."""
        return [received.target.rpartition("/")[2] for received in self.requests if received.method == "DELETE"]

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        if received.target in self.chat_paths:
            received = replace(received, target="/v1/chat/completions")
        chat = received.target == "/v1/chat/completions"
        reply: bytes | None = None
        if received.target in self.silent_on:
            await received.client_left.wait()
            return False
        if chat and await _left_within(received, self.seconds_to_first_token):
            return False
        if received.method == "POST" and self.chat_refuses_first:
            first = self.chat_refuses_first.pop(0)
            if first is None:
                return False
            reply = _json(first[1], first[0])
        elif refusal := self.refuses or (self.chat_refuses if chat else None):
            reply = _json(refusal[1], refusal[0])
        elif received.target == "/models/loaded" and self.loaded_refuses:
            reply = _json(self.loaded_refuses[1], self.loaded_refuses[0])
        elif received.target == "/models/loaded":
            missing = _json({"error": "no such page"}, "404 Not Found")
            reply = _json(self.models if self.loaded is None else self.loaded) if self.knows_loaded else missing
        elif received.target.startswith("/v1/responses") and not self.knows_responses:
            reply = _json({"error": "no such page"}, "404 Not Found")
        elif received.target == "/v1/models":
            reply = _json({"object": "list", "data": [self._described(model) for model in self.models]})
        if reply is None:
            return await super()._answer(received, writer)
        writer.write(reply)
        await writer.drain()
        return True

    @property
    def _coming(self) -> Iterator[str]:
        return chain(self.tokens, repeat(" on") if self.endless else ())

    def _described(self, model: str) -> dict[str, Any]:
        return {"id": model, "object": "model", **self.says_of_a_model}

    def _is_loaded(self, model: object) -> bool:
        return model in (self.models if self.loaded is None else self.loaded)

    def _events(self, received: Received) -> Iterator[bytes]:  # type: ignore[override]
        yield _event(_choice({"content": "", "role": "assistant"}, None))
        for token in self._coming:
            yield _event(_choice({"content": token}, None))
        if self.error is not None:
            yield _event({"error": self.error})
        elif self.finish_reason:
            yield _event(_choice({}, self.finish_reason))
            if self.reports_usage and (received.json.get("stream_options") or {}).get("include_usage"):
                yield _event({"choices": [], "usage": self._usage(len(self.tokens))})
            yield b"data: [DONE]\n\n"
