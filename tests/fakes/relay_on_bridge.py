"""A stand-in for the relay on the Docker bridge's address: keeps what the gateway sends, and answers on cue."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

SECONDS = 20.0


@dataclass
class Arrived:
    """One request as the gateway sent it."""

    line: str
    headers: list[tuple[str, str]]
    body_size: int = 0
    client_left: threading.Event = field(default_factory=threading.Event)

    def header(self, name: str) -> list[str]:
        """Every value of the header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]


class RelayOnBridge:
    """Listens on ``host:port`` while its context is open; can be stopped and started again.

    A chat completion streams one event (or none, with `first_word_waits`), waits for `go_on`, and streams the rest.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.port = 0
        self.arrived: list[Arrived] = []
        self.go_on = threading.Event()
        self.first_word_waits = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.ServerRunner | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._wait(self._start())

    def stop(self) -> None:
        """Listen no more, and end what is under way."""
        self.go_on.set()
        self._wait(self._stop())

    def last(self) -> Arrived:
        """The request that came last."""
        return self.arrived[-1]

    def _wait(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SECONDS)

    async def _start(self) -> None:
        server = web.Server(self._answer, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        self._runner = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        arrived = Arrived(f"{request.method} {request.raw_path}", headers)
        self.arrived.append(arrived)
        async for chunk in request.content.iter_any():
            arrived.body_size += len(chunk)
        headers_back = {"Via": "1.1 foundry-stack-relay", "X-Request-ID": "the-relay's-own"}
        if request.path != "/v1/chat/completions":
            return web.json_response({"asked": arrived.line}, headers=headers_back)
        return await self._stream(request, arrived, headers_back)

    async def _stream(self, request: web.BaseRequest, arrived: Arrived, headers: dict[str, str]) -> web.StreamResponse:
        answer = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
        await answer.prepare(request)
        try:
            if not self.first_word_waits:
                await answer.write(b'data: {"n":1}\n\n')
            while not self.go_on.is_set():
                await asyncio.sleep(0.01)
            if self.first_word_waits:
                await answer.write(b'data: {"n":1}\n\n')
            await answer.write(f"data: {json.dumps({'n': 2})}\n\ndata: [DONE]\n\n".encode())
        except (asyncio.CancelledError, ConnectionError):
            arrived.client_left.set()
            raise
        return answer
