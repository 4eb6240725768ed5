"""How much one sender may ask of the relay: connections at once, and requests per second."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable

from stack.parts.relay import answers

if sys.platform != "win32":
    import resource

CONNECTIONS = 256  # of one sender at one door; a sender is an address, and everybody on this machine has the same
OPEN_FILES = 4096  # each passage takes two, and there are several senders
BURST_SECONDS = 4  # so many seconds' requests pass at once
SENDERS = 1024  # addresses that are remembered; there are a handful, unless somebody makes them up
TURNED_AWAY_SECONDS = 2.0


class Crowd:
    """Who has how many connections open."""

    def __init__(self, most: int = CONNECTIONS) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def enter(self, sender: str) -> bool:
        """Count one more, unless the sender has too many; what has entered has to `leave`."""
        if self._open[sender] >= self._most:
            return False
        self._open[sender] += 1
        return True

    def leave(self, sender: str) -> None:
        """Count one less."""
        self._open[sender] -= 1
        if not self._open[sender]:
            del self._open[sender]


class Rate:
    """Requests per second and sender; some seconds' worth of them may come at once.

    Args:
        now: the clock, in seconds.
    """

    def __init__(self, a_second: float, now: Callable[[], float] = time.monotonic) -> None:
        self.a_second = a_second
        self._now = now
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, sender: str) -> bool:
        """Whether the sender may ask just now; if so, it has."""
        now, most = self._now(), self.a_second * BURST_SECONDS
        left, when = self._left.pop(sender, (most, now))
        left = min(most, left + (now - when) * self.a_second)
        allowed = left >= 1
        if len(self._left) >= SENDERS:
            del self._left[next(iter(self._left))]  # the one that has not asked for the longest time
        self._left[sender] = left - allowed, now
        return allowed


class TurnedAway(asyncio.Protocol):
    """Takes the place of aiohttp's handler for one connection too many: says so, and hangs up."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._told = False
        transport.set_protocol(self)
        asyncio.get_running_loop().call_later(TURNED_AWAY_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Answer what comes first, and read on: a connection closed with bytes unread would take the answer back."""
        if not self._told:
            self._told = True
            self._transport.write(_refusal())
            self._transport.write_eof()


def allow_open_files() -> None:
    """As many as the limits here may need, if the system lets us: a shell's usual 1,024 are soon used up."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _refusal() -> bytes:
    refusal = answers.too_many_connections(CONNECTIONS)
    body = json.dumps(answers.body(refusal))
    headers = {
        **answers.headers(refusal),
        "Content-Type": "application/json; charset=utf-8",
        "Content-Length": len(body),
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {refusal.status} Too Many Requests", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", body]).encode()
