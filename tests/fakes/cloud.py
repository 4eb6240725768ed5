"""A stand-in for a cloud, and a witness: it keeps every byte that reaches it, and answers as it is told to.

Of the standard library only: the same file runs inside a container, as a program that is asked and told by HTTP on a
second port (`python cloud.py PORT CONTROL_PORT`; `GET /`: what came, `PUT /HABIT`: what to do from now on).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import sys
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

Habit = Literal[
    "answers",  # as it should
    "slow",  # after `slow_seconds`
    "hangs",  # takes the question and never says anything
    "closes",  # takes the question and closes without a word
    "cut",  # closes in the midst of the answer
    "400",
    "too-long",  # 400, in OpenAI's words for it
    "401",
    "403",
    "404",
    "429",
    "500",
    "503",
    "redirect",
    "page",  # a web page, with 200
    "large-error",  # an error without an end
]
SAID = {
    "400": "Unsupported value",
    "401": "Incorrect API key provided: {key}",
    "403": "Country not supported",
    "404": "The model does not exist",
    "429": "Rate limit reached",
    "500": "The server had an error",
    "503": "Overloaded",
    "too-long": "This model's maximum context length is 128000 tokens.",
}
EVERYWHERE = "0.0.0.0"  # noqa: S104  (of the container)
TOKENS = ("The", " cloud", " says", " hello", ".")


@dataclass
class Question:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Every value of the header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass
class Cloud:
    """Listens while its context is open.

    Args:
        tls: with which it proves who it is; None: plain HTTP.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    habit: Habit = "answers"
    slow_seconds: float = 1.0
    received: bytearray = field(default_factory=bytearray)
    """Everything that came, on all connections, after TLS."""
    connections: int = 0
    questions: list[Question] = field(default_factory=list)
    endless: int = 0
    """How many bytes of an error without an end were taken."""
    gate: asyncio.Event | None = None
    """Set by the test: what comes behind the first token waits for it."""
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, self.port, ssl=self.tls, limit=2**26)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._serving.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await self._taken(reader.readuntil(b"\r\n\r\n"))
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        method, target, _ = first.split(" ", 2)
        question = Question(method, target, headers, b"")
        if length := question.header("Content-Length"):
            question.body = await self._taken(reader.readexactly(int(length[0])))
        elif question.header("Transfer-Encoding"):
            while size := int(await self._taken(reader.readuntil(b"\r\n")), 16):
                question.body += (await self._taken(reader.readexactly(size + 2)))[:-2]
            await self._taken(reader.readexactly(2))
        self.questions.append(question)
        return await self._answer(question, writer)

    async def _taken(self, reading: Any) -> bytes:
        try:
            came: bytes = await reading
        except asyncio.IncompleteReadError as end:
            self.received += end.partial
            raise
        self.received += came
        return came

    async def _answer(self, question: Question, writer: asyncio.StreamWriter) -> bool:  # noqa: PLR0911  (one each)
        habit = self.habit
        match habit:
            case "hangs":
                await asyncio.Event().wait()
            case "closes":
                return False
            case "slow":
                await asyncio.sleep(self.slow_seconds)
            case "redirect":
                return await _whole(writer, "302 Found", b"", "Location: http://127.0.0.1:9/v1/chat/completions")
            case "page":
                return await _whole(writer, "200 OK", b"<html>Welcome</html>", "Content-Type: text/html")
            case "large-error":
                return await self._endless_error(writer)
            case "too-long":
                return await _error(writer, "400", SAID[habit], "context_length_exceeded")
            case _ if habit.isdecimal():
                key = (question.header("Authorization") or question.header("api-key") or [""])[0]
                return await _error(writer, habit, SAID[habit].format(key=key.removeprefix("Bearer ")), None)
        if not json.loads(question.body or b"{}").get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": "".join(TOKENS)}, "finish_reason": "stop"}
            return await _whole(writer, "200 OK", json.dumps({"id": "c", "choices": [choice]}).encode(), *SAID_BESIDES)
        return await self._stream(writer)

    async def _stream(self, writer: asyncio.StreamWriter) -> bool:
        head = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked", *SAID_BESIDES[1:]]
        writer.write("\r\n".join([*head, "", ""]).encode())
        for number, token in enumerate(TOKENS):
            if number and self.gate:
                await self.gate.wait()
            if number == 2 and self.habit == "cut":
                return False
            writer.write(_chunk({"content": token}))
            await writer.drain()
        writer.write(_chunk({}, "stop") + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _endless_error(self, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b'{"error": "' + b"x" * 10_000)
            await writer.drain()
            self.endless += 10_000


SAID_BESIDES = (
    "Content-Type: application/json",
    "Set-Cookie: __cf_bm=trace; path=/",
    "OpenAI-Organization: somebody-inc",
    "X-Request-ID: req_of_the_cloud",
    "Access-Control-Allow-Origin: *",
)


async def _whole(writer: asyncio.StreamWriter, status: str, body: bytes, *headers: str) -> bool:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
    return True


async def _error(writer: asyncio.StreamWriter, status: str, said: str, code: str | None) -> bool:
    body = json.dumps({"error": {"message": said, "type": "of_the_cloud", "code": code}}).encode()
    return await _whole(writer, f"{status} Said", body, *SAID_BESIDES, "Retry-After: 17")


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    event = {"id": "c", "model": "big", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return _framed(f"data: {json.dumps(event)}\n\n".encode())


def _framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def _controlled(port: int, control_port: int) -> None:
    """As a program, in a container: everybody who is let to this port may ask, which is the test's own to see to."""
    async with Cloud(host=EVERYWHERE, port=port) as cloud:

        async def told(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            method, target, _ = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split(" ", 2)
            if method == "PUT":
                wanted = target.removeprefix("/")
                assert wanted in get_args(Habit), wanted
                cloud.habit = wanted  # type: ignore[assignment]
            said = {
                "habit": cloud.habit,
                "connections": cloud.connections,
                "questions": len(cloud.questions),
                "received": base64.b64encode(cloud.received).decode(),
            }
            await _whole(writer, "200 OK", json.dumps(said).encode(), "Connection: close")
            writer.close()

        async with await asyncio.start_server(told, EVERYWHERE, control_port) as control:
            print("listens", flush=True)
            await control.serve_forever()


if __name__ == "__main__":
    asyncio.run(_controlled(int(sys.argv[1]), int(sys.argv[2])))
