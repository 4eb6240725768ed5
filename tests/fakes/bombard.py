"""Sends many raw requests, a few at a time, and tells how each was answered.

Standard library only and in one file, because it also runs inside a container that has nothing else:
`python -c SOURCE` with what `ask_there` writes on its standard input.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import sys
from dataclasses import asdict, dataclass
from typing import Any

AT_ONCE = 40
SILENCE_SECONDS = 20.0  # far above what any answer here takes; who says nothing for so long hangs
MORE_SECONDS = 0.3  # for what may never be answered, and for what may come after an answer
KEPT = 2000  # bytes of an answer, its head included


@dataclass(frozen=True)
class Shot:
    """A request as raw bytes.

    Args:
        whole: a proper request, which has to be answered. Others may leave the server waiting for their end.
    """

    host: str
    port: int
    raw: bytes
    whole: bool


@dataclass
class Answered:
    """What came back: the status of each answer (none: nothing that looks like HTTP) and the beginning of it all."""

    statuses: list[int]
    begin: str
    hung: bool = False


async def send_all(shots: list[Shot], at_once: int = AT_ONCE) -> list[Answered]:
    """Send them all; the answers are in the order of the requests."""
    room = asyncio.Semaphore(at_once)

    async def one(shot: Shot) -> Answered:
        async with room:
            return await send(shot)

    return list(await asyncio.gather(*map(one, shots)))


async def send(shot: Shot) -> Answered:
    """Send one, on a connection of its own."""
    try:
        reader, writer = await asyncio.open_connection(shot.host, shot.port)
    except OSError as refused:
        return Answered([], f"no connection: {refused}", hung=True)
    received, hung = bytearray(), False
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(shot.raw)
            await writer.drain()
        while True:
            done = _is_whole(received, head=shot.raw.startswith(b"HEAD "))
            patience = SILENCE_SECONDS if shot.whole and not done else MORE_SECONDS
            if done and shot.whole:
                break
            piece = await asyncio.wait_for(reader.read(65536), patience)
            if not piece:
                break
            received += piece
    except TimeoutError:
        hung = shot.whole
    except OSError:
        pass
    finally:
        writer.transport.abort()
    return Answered(_statuses(bytes(received)), bytes(received[:KEPT]).decode("latin-1"), hung)


def _is_whole(received: bytearray, head: bool) -> bool:
    """Whether the first answer is there, as far as it tells its own length."""
    while True:
        begin, separator, body = bytes(received).partition(b"\r\n\r\n")
        if not separator:
            return False
        if not begin.startswith((b"HTTP/1.1 100", b"HTTP/1.0 100")):
            break
        received = bytearray(body)
    fields = begin.lower()
    if head or begin[9:12] in (b"204", b"304", b"101"):
        return True
    if b"\r\ntransfer-encoding:" in fields:
        return body.endswith(b"0\r\n\r\n")
    _, found, rest = fields.partition(b"\r\ncontent-length:")
    return bool(found) and len(body) >= int(rest.split(b"\r\n")[0])


def _statuses(received: bytes) -> list[int]:
    """The status of every answer in it: a status line stands at the beginning, or right after another answer."""
    return [int(status) for status in re.findall(rb"(?:^|(?<=[^ ]))HTTP/\d\.\d (\d\d\d)", received)]


def packed(shots: list[Shot]) -> str:
    """The requests as text."""
    return json.dumps([{**asdict(shot), "raw": base64.b64encode(shot.raw).decode()} for shot in shots])


def unpacked(text: str) -> list[Answered]:
    """The answers that `main` printed."""
    return [Answered(**each) for each in json.loads(text)]


def main() -> None:
    """Read requests, send them, print the answers."""
    given: list[dict[str, Any]] = json.load(sys.stdin)
    shots = [Shot(**{**each, "raw": base64.b64decode(each["raw"])}) for each in given]
    print(json.dumps([asdict(answered) for answered in asyncio.run(send_all(shots))]))


if __name__ == "__main__":
    main()
