"""What the chat adds to the model's time, and how many it serves: beside the server itself and a blocking handler.

    PYTHONPATH=scripts python tests/benchmarks/chat_load.py --python PYTHON [--only PART]

PYTHON is one that has what `services/chainlit/requirements.lock` names (`uv pip sync --require-hashes`). All against
one stand-in of 50 tokens a second that gives its first one after 500 ms; server, app and sessions are processes of
their own on this machine, and all sessions ask in the same moment. The chat's line is lifted, and no
conversation is held. Each answer is compared with what the server makes of the session's own question: what is lost or
mixed up counts as lost.
Parts: `first-token`, `blocking`, `full-speed`. Exit code: 0 within the limits, 1 not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from rich.console import Console
from rich.table import Table

TESTS = Path(__file__).resolve().parents[1]
OURS = TESTS.parent / "services" / "chainlit"
sys.path[:0] = [str(TESTS), str(OURS)]

from fakes.chat_process import chainlit_app, running  # noqa: E402
from fakes.foundry import MODEL  # noqa: E402
from fakes.open_chat import OpenChat, open_chat  # noqa: E402
from fakes.relay_process import free_port  # noqa: E402
from fakes.steady_server import answer_to  # noqa: E402

FIRST_SECONDS = 0.5
RATE = 50.0
ROUNDS = {1: 15, 10: 4, 20: 3, 50: 3}
TOKENS = 150  # of an answer
FEW_TOKENS = 10  # of one that everybody else waits for
FAST_SESSIONS, FAST_TOKENS = 10, 3000
ADDED_MS = {1: 30.0, 20: 150.0}
LEAST_RATE = 0.95
LEAST_TIMES_SLOWER = 15.0
LEAST_TOKENS_PER_SECOND = 4500.0
LIFTED = {"ANSWERS_AT_ONCE": "1000", "TEMPERATURE": "0", "HOLD_CONVERSATIONS": "0"}

Limit = tuple[str, float, bool]
"""What is compared, the number, and whether it is within the limit."""


@dataclass
class Seen:
    """What all sessions saw."""

    first: list[float] = field(default_factory=list)
    """Seconds to the first text."""
    rates: list[float] = field(default_factory=list)
    """Tokens per second from the first text to the last."""
    lost: int = 0
    """Answers that did not come whole, or were not those of the question."""

    def take(self, text: str, question: str, tokens: int, first: float | None, last: float) -> None:
        """One answer."""
        if first is None or text.split() != "".join(answer_to(question, tokens)).split():
            self.lost += 1
            self.first.append(math.inf)
            return
        self.first.append(first)
        self.rates.append((tokens - 1) / (last - first) if last > first else math.inf)

    @property
    def p50(self) -> float:
        """Of the first text's times, in seconds."""
        return statistics.median(self.first)

    @property
    def p95(self) -> float:
        """Of the same."""
        return sorted(self.first)[math.ceil(0.95 * len(self.first)) - 1]


Ask = Callable[[str, int], Coroutine[Any, Any, tuple[str, float | None, float]]]
"""Asks a question, and gives the answer's text and when its first and last text came, in seconds from then."""


async def ask_server(
    http: aiohttp.ClientSession, url: str, question: str, tokens: int
) -> tuple[str, float | None, float]:
    """The server itself, by its own protocol."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": question}], "stream": True, "max_tokens": tokens}
    text, first, last, begun = "", None, 0.0, time.perf_counter()
    async with http.post(f"{url}/v1/chat/completions", json=body) as answer:
        async for line in answer.content:
            if line.startswith(b"data: {"):
                choices = json.loads(line[6:])["choices"]
                if choices and (token := choices[0]["delta"].get("content")):
                    last = time.perf_counter() - begun
                    first = last if first is None else first
                    text += token
    return text, first, last


async def ask_page(session: OpenChat, question: str, _: int) -> tuple[str, float | None, float]:
    """The page, as somebody who has it open."""
    try:
        answer = await session.ask(question)
    except (AssertionError, TimeoutError):  # its socket was dropped, or nothing came
        return "", None, 0.0
    return answer.text, answer.first_text_seconds, answer.last_text_seconds


@contextlib.asynccontextmanager
async def sessions(url: str, count: int, *, page: bool) -> AsyncIterator[list[Ask]]:
    """So many, each with a connection of its own."""
    async with AsyncExitStack() as held:
        if page:
            users = [await held.enter_async_context(open_chat(url, panel=False)) for _ in range(count)]
            yield [lambda question, tokens, each=each: ask_page(each, question, tokens) for each in users]  # type: ignore[misc]
            return
        http = await held.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None), trust_env=False
            )
        )
        yield [lambda question, tokens: ask_server(http, url, question, tokens)] * count


async def all_ask(asking: list[Ask], tokens: int, seen: Seen) -> None:
    """All at once, each another question."""
    questions = [f"{random.random()} What is {number}?" for number in range(len(asking))]  # noqa: S311
    answers = await asyncio.gather(*(ask(question, tokens) for ask, question in zip(asking, questions, strict=True)))
    for question, (text, first, last) in zip(questions, answers, strict=True):
        seen.take(text, question, tokens, first, last)


def server(held: ExitStack, folder: Path, first: float, rate: float) -> tuple[str, psutil.Process]:
    """The stand-in in a process of its own."""
    port = free_port()
    argv = [sys.executable, "-m", "fakes.steady_server", str(port), str(first), str(rate)]
    env = {"PYTHONPATH": f"{TESTS}:{TESTS.parent / 'scripts'}:{OURS}"}
    return f"http://127.0.0.1:{port}", held.enter_context(running(argv, folder, port, env))


async def first_token(python: str, folder: Path, table: Table) -> tuple[list[Limit], Seen]:
    """Ours beside the server itself, in turn, so that what else the machine does hits both alike."""
    limits: list[Limit] = []
    fifty = Seen()
    with ExitStack() as held:
        url, _ = server(held, folder, FIRST_SECONDS, RATE)
        knobs = {**LIFTED, "BASE_URL": url, "MAX_TOKENS": str(TOKENS)}
        page, process = held.enter_context(chainlit_app(python, folder, knobs))
        for count, rounds in ROUNDS.items():
            seen = {"direct": Seen(), "ours": Seen()}
            async with sessions(url, count, page=False) as straight, sessions(page, count, page=True) as users:
                asking = {"direct": straight, "ours": users}
                for each in asking.values():
                    await all_ask(each, TOKENS, Seen())  # not counted: connections are made, and code is loaded
                before = _cpu(process)
                for _ in range(rounds):
                    for who in random.sample(sorted(asking), 2):
                        await all_ask(asking[who], TOKENS, seen[who])
                cpu = (_cpu(process) - before) / (rounds * count * TOKENS)
            for who, what in seen.items():
                row(table, f"{count}", who, what, cpu * 1000 if who == "ours" else None)
            added = (seen["ours"].p50 - seen["direct"].p50) * 1000
            if count in ADDED_MS:
                limits.append((f"{count}: ms added to the first token", added, added <= ADDED_MS[count]))
            if count == 20:
                share = statistics.median(seen["ours"].rates) / statistics.median(seen["direct"].rates)
                limits.append(("20: share of the server's rate", share, share >= LEAST_RATE))
            limits.append((f"{count}: lost", seen["ours"].lost, seen["ours"].lost == 0))
            fifty = seen["ours"]
    return limits, fifty


async def blocking(python: str, folder: Path, table: Table, ours: Seen) -> list[Limit]:
    """The blocking handler at fifty sessions; its answers are short, which is kind to it."""
    with ExitStack() as held:
        url, _ = server(held, folder, FIRST_SECONDS, RATE)
        env = {"BASE_URL": url, "MODEL": MODEL, "MAX_TOKENS": str(FEW_TOKENS)}
        page, process = held.enter_context(
            chainlit_app(python, folder, env, Path(__file__).with_name("blocking_chat.py"))
        )
        seen = Seen()
        async with sessions(page, 50, page=True) as users:
            before = _cpu(process)
            await all_ask(users, FEW_TOKENS, seen)
            row(table, "50", "blocking", seen, (_cpu(process) - before) * 1000 / (50 * FEW_TOKENS))
    times = seen.p50 / ours.p50
    # Where most of its answers are lost there is no time to compare with, and so no proof.
    return [("50: times slower is the blocking handler's first token", times, LEAST_TIMES_SLOWER <= times < math.inf)]


async def full_speed(python: str, folder: Path, table: Table) -> list[Limit]:
    """How many tokens per second go through one process, where the server gives them as fast as they are taken."""
    with ExitStack() as held:
        url, _ = server(held, folder, 0, 0)
        knobs = {**LIFTED, "BASE_URL": url, "MAX_TOKENS": str(FAST_TOKENS)}
        page, process = held.enter_context(chainlit_app(python, folder, knobs))
        best, seen = 0.0, Seen()
        async with sessions(page, FAST_SESSIONS, page=True) as users:
            for _ in range(3):
                before, begun = _cpu(process), time.perf_counter()
                await all_ask(users, FAST_TOKENS, seen)
                best = max(best, FAST_SESSIONS * FAST_TOKENS / (time.perf_counter() - begun))
                cpu = (_cpu(process) - before) * 1000 / (FAST_SESSIONS * FAST_TOKENS)
        row(table, f"{FAST_SESSIONS}", "full speed", seen, cpu)
    return [
        ("tokens per second through one process", best, best >= LEAST_TOKENS_PER_SECOND),
        ("full speed: lost", seen.lost, seen.lost == 0),
    ]


def row(table: Table, count: str, who: str, seen: Seen, cpu_ms: float | None) -> None:
    """One line of the table."""
    rate = f"{statistics.median(seen.rates):.1f}" if seen.rates else "-"
    cpu = "-" if cpu_ms is None else f"{cpu_ms:.3f}"
    table.add_row(count, who, f"{seen.p50 * 1000:.0f}", f"{seen.p95 * 1000:.0f}", rate, str(seen.lost), cpu)


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


async def main() -> int:
    """Measure, print the tables, and return the exit code."""
    parser = argparse.ArgumentParser(description="What the chat adds to the model's time.")
    parser.add_argument("--python", default=sys.executable, help="has Chainlit; default: this one")
    parser.add_argument("--only", choices=["first-token", "blocking", "full-speed"], help="`blocking` needs the first")
    given = parser.parse_args()
    table = Table("sessions", "asked", "first p50 ms", "p95", "tokens/s each", "lost", "CPU ms/token")
    limits: list[Limit] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.only != "full-speed":
            found, ours = await first_token(given.python, folder, table)
            limits += found
            if given.only != "first-token":
                limits += await blocking(given.python, folder, table, ours)
        if given.only in (None, "full-speed"):
            limits += await full_speed(given.python, folder, table)
    console = Console(width=110)
    console.print(table)
    for what, number, good in limits:
        console.print(f"{'within' if good else 'NOT within'} the limit: {what}: {number:.2f}")
    return 0 if all(good for *_, good in limits) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
