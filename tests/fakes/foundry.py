"""A stand-in for Foundry Local's web service that answers as 2.2.1 was seen to, byte for byte where it matters.

It keeps every request it gets, so that a test can ask it what reached it, and when its client went away.
Written on bare sockets: a web framework would tidy up the very habits that are to be seen (headers sent twice,
connections cut in the midst of an answer).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from fakes.stored_responses import Gone, StoredResponses, TooLong

MODEL = "smollm2-135m-instruct-generic-cpu:1"
OATPP = "Server: oatpp/1.3.0\r\n"
SSE_HEADERS = (
    "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
    f"{OATPP}Cache-Control: no-cache\r\nCache-Control: no-cache\r\n"
    "Content-Type: text/event-stream\r\nContent-Type: text/event-stream\r\n\r\n"
)

Habit = Literal[
    "answers",  # as it should
    "error-event",  # streaming: one SSE error event, no [DONE], a proper end
    "cut",  # the connection ends in the midst of the answer
    "reset",  # the same, with a reset
    "hangs",  # takes the request and never says anything
    "hangs-midway",  # sends the first chunk, then nothing
    "closes",  # takes the request and closes without a word
    "not-http",  # answers something that is not HTTP
]


@dataclass
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""
    client_left: asyncio.Event = field(default_factory=asyncio.Event)

    def header(self, name: str) -> list[str]:
        """Every value of the header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class FakeFoundry:
    """Listens on a loopback port while its context is open.

    Args:
        port: 0 for any free one.
        tokens: the answer, in pieces.
        host: the address to listen on.
        gated: every SSE chunk after the headers waits for `let_go()`; so a test knows what can't have been sent yet.
    """

    def __init__(
        self,
        port: int = 0,
        tokens: Sequence[str] = ("The", " capital", " is", " Paris", "."),
        host: str = "127.0.0.1",
    ) -> None:
        self.port = port
        self.host = host
        self.tokens = list(tokens)
        self.answer_to: Callable[[Any], Sequence[str]] | None = None
        """Makes the answer of the request's body, which has all of the conversation; None: it is `tokens`."""
        self.habit: Habit = "answers"
        self.gated = False
        self.cut_after = 2
        """So many chunks come before the connection is cut or reset."""
        self.seconds_a_chunk = 0.0
        self.finish_reason: str | None = "stop"
        self.stored = StoredResponses(MODEL)
        self.requests: list[Received] = []
        self.connections = 0
        self._prompt_tokens = 0
        self._gate = asyncio.Semaphore(0)
        self._arrived = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it answers."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104  (read, not listened on)
        return f"http://{host}:{self.port}"

    def let_go(self, chunks: int = 1) -> None:
        """Let this many gated chunks out."""
        for _ in range(chunks):
            self._gate.release()

    async def request(self, number: int = 0, timeout: float = 10) -> Received:
        """The request with this number, as soon as it is there."""
        async with asyncio.timeout(timeout), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) > number)
        return self.requests[number]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            begin = b""
            while True:
                received = await _read_request(reader, begin)
                async with self._arrived:
                    self.requests.append(received)
                    self._arrived.notify_all()
                watch = asyncio.create_task(_watch(reader, received))
                try:
                    keep = await self._answer(received, writer)
                finally:
                    watch.cancel()
                    seen = (await asyncio.gather(watch, return_exceptions=True))[0]
                    begin = seen if isinstance(seen, bytes) else b""
                if not keep:
                    break
        writer.close()

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        """Answer and return whether the connection stays open."""
        if self.habit == "hangs":
            await received.client_left.wait()
            return False
        if self.habit == "closes":
            return False
        if self.habit == "not-http":
            writer.write(b"220 mail.example ESMTP\r\n")
            return False
        if (received.method, received.target) == ("POST", "/v1/chat/completions"):
            return await self._chat(received, writer)
        if received.target.startswith("/v1/responses"):
            return await self._response(received, writer)
        writer.write(_plain_answer(received))
        await writer.drain()
        return True

    async def _response(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        """Ask, look at, or delete stored conversations."""
        asked = _object(received)
        if received.method == "POST" and "input" in asked:
            try:
                answering = self.stored.begin(asked)
                tokens = self._coming if self.answer_to is None else self.answer_to({"messages": answering.told})
                if asked.get("stream"):
                    return await self._send(answering.events(tokens, self._finish), received, writer)
                writer.write(_json(answering.whole(self.tokens, self._finish)))
            except Gone as gone:
                writer.write(_json(_refused(str(gone)), "404 Not Found"))
            except TooLong as too_long:
                writer.write(_json(_refused(f"Invalid request: {too_long}"), "400 Bad Request"))
        elif (received.method, received.target) == ("GET", "/v1/responses"):
            writer.write(_json(self.stored.listing()))
        elif received.method == "DELETE" and self.stored.delete(which := received.target.rpartition("/")[2]):
            writer.write(_json({"deleted": True, "id": which, "object": "response.deleted"}))
        else:
            writer.write(_plain_answer(received))
        await writer.drain()
        return True

    @property
    def _coming(self) -> Iterable[str]:
        return self.tokens

    @property
    def _finish(self) -> str:
        return self.finish_reason or "stop"

    async def _chat(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        if not self._is_loaded(model := received.json.get("model")):
            error = {"message": f"Model not loaded: {model}", "type": "invalid_request_error"}
            writer.write(_json({"error": error}, "400 Bad Request"))
            return True
        try:
            self._prompt_tokens = self.stored.budget(received.json.get("messages"), received.json.get("max_tokens"))
        except TooLong as too_long:
            if received.json.get("stream"):
                return await self._send([_event(_refused(str(too_long)))], received, writer)
            writer.write(_json(_refused(f"Invalid request: {too_long}"), "400 Bad Request"))
            return True
        if received.json.get("stream"):
            return await self._send(self._events(received), received, writer)
        return await self._whole(received, writer)

    def _is_loaded(self, model: object) -> bool:
        return model == self.stored.model

    async def _whole(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        if self.gated:
            await self._pass_gate(received)
        message = {"role": "assistant", "content": "".join(self.tokens)}
        answer = _json({"object": "chat.completion", "choices": [{"message": message, "finish_reason": "stop"}]})
        if self.habit in ("cut", "reset"):
            answer = answer[:-10]
        writer.write(answer)
        await writer.drain()
        return self.habit == "answers"

    async def _send(self, events: Iterable[bytes], received: Received, writer: asyncio.StreamWriter) -> bool:
        writer.write(SSE_HEADERS.encode())
        for number, event in enumerate(events):
            if self.gated:
                await self._pass_gate(received)
            if await _left_within(received, self.seconds_a_chunk):
                return False
            writer.write(_chunk(event))
            await writer.drain()
            if number + 1 == self.cut_after and self.habit == "cut":
                return False
            if number + 1 == self.cut_after and self.habit == "reset":
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return False
            if number == 0 and self.habit == "hangs-midway":
                await received.client_left.wait()
                return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _events(self, received: Received) -> list[bytes]:
        if self.habit == "error-event":
            return [_event({"error": {"message": "prompt too long", "type": "invalid_request_error"}})]
        deltas: list[dict[str, Any]] = [{"content": "", "role": "assistant"}]
        tokens = self.tokens if self.answer_to is None else self.answer_to(received.json)
        deltas += [{"content": token} for token in tokens]
        events = [_event(_choice(delta, None)) for delta in deltas] + [_event(_choice({}, "stop"))]
        if (received.json.get("stream_options") or {}).get("include_usage"):
            events.append(_event({"choices": [], "usage": self._usage(len(tokens))}))
        return [*events, b"data: [DONE]\n\n"]

    def _usage(self, answer: int) -> dict[str, Any]:
        prompt = self._prompt_tokens
        return {
            "completion_tokens": answer,
            "completion_tokens_details": {"reasoning_tokens": 0},
            "prompt_tokens": prompt,
            "prompt_tokens_details": {"cached_tokens": 0},
            "total_tokens": prompt + answer,
        }

    async def _pass_gate(self, received: Received) -> None:
        passed = asyncio.create_task(self._gate.acquire())
        left = asyncio.create_task(received.client_left.wait())
        await asyncio.wait({passed, left}, return_when=asyncio.FIRST_COMPLETED)
        passed.cancel()
        left.cancel()


async def _read_request(reader: asyncio.StreamReader, begin: bytes) -> Received:
    head = (begin + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    received = Received(method, target, headers)
    if length := received.header("Content-Length"):
        received.body = await reader.readexactly(int(length[0]))
    elif "chunked" in received.header("Transfer-Encoding"):
        while size := int(await _line(reader), 16):
            received.body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return received


def _object(received: Received) -> dict[str, Any]:
    """The body, if it is a JSON object; else an empty one."""
    try:
        body = json.loads(received.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


async def _line(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\n")  # and not readline, which takes the connection's end for a line


async def _left_within(received: Received, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        if seconds:
            await asyncio.wait_for(received.client_left.wait(), seconds)
    return received.client_left.is_set()


async def _watch(reader: asyncio.StreamReader, received: Received) -> bytes:
    """Note when the client goes; a byte that comes instead begins its next request."""
    with contextlib.suppress(ConnectionError):
        if byte := await reader.read(1):
            return byte
    received.client_left.set()
    return b""


def _plain_answer(received: Received) -> bytes:
    known = {
        ("GET", "/v1/models"): {"data": [{"id": MODEL, "object": "model"}], "object": "list"},
        ("GET", f"/v1/models/{MODEL}"): {"id": MODEL, "object": "model"},
        ("GET", "/models/loaded"): [MODEL],
        ("GET", "/status"): {"endpoints": ["http://127.0.0.1:0"], "modelCachePath": "/cache", "pid": 1},
        ("POST", "/v1/responses"): {"id": "resp_1", "object": "response", "output_text": "Paris."},
        ("POST", "/v1/embeddings"): {"object": "list", "data": []},
        ("DELETE", "/v1/responses/resp_1"): {"id": "resp_1", "deleted": True},
        ("POST", "/shutdown"): {"obeyed": True},
    }
    answer = known.get((received.method, received.target))
    if answer is None:
        return _json({"error": {"message": "Not found", "type": "invalid_request_error"}}, "404 Not Found")
    return _json(answer)


def _json(data: object, status: str = "200 OK") -> bytes:
    body = json.dumps(data, separators=(",", ":")).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: keep-alive\r\n{OATPP}"
    return head.encode() + b"Content-Type: application/json\r\n\r\n" + body


def _refused(message: str) -> dict[str, Any]:
    return {"error": {"code": None, "message": message, "param": None, "type": "invalid_request_error"}}


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    choice = {"delta": delta, "finish_reason": finish_reason, "index": 0, "logprobs": None}
    return {"choices": [choice], "id": "chatcmpl-1", "model": MODEL, "object": "chat.completion.chunk"}


def _event(data: object) -> bytes:
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return b"%X\r\n%s\r\n" % (len(data), data)


async def _serve_for_ever(port: int) -> None:
    async with FakeFoundry(port):
        await asyncio.Event().wait()


if __name__ == "__main__":  # a process of its own, where a measurement must not share one: python -m fakes.foundry PORT
    asyncio.run(_serve_for_ever(int(sys.argv[1])))
