"""What the relay adds to each request: the same questions, asked directly and through it in turn.

    PYTHONPATH=scripts python tests/benchmarks/relay_latency.py [--foundry URL --model ID] [--rounds N]

Without an address the stand-in of the tests answers (nothing but the way is measured); with one a real Foundry Local.
Each round asks both ways one after the other, in an order that changes, over kept connections, so that what else the
machine does hits both alike (but the relay is one more process that has to wait for a core). What the relay adds is
the median of the rounds' differences, with the interval that holds it in 95 of 100 cases.
Exit code: 0 it is below the limit, 1 it is above, 2 the machine is too noisy to tell.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import psutil
from rich.console import Console
from rich.table import Table

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from fakes.foundry import MODEL  # noqa: E402
from fakes.relay_process import free_port, running_relay  # noqa: E402
from stack.parts import state  # noqa: E402
from stack.tools.process import spawn_daemon  # noqa: E402

LIMIT_MS = 2.0
WARM_UP = 5  # rounds that are not counted

Ask = Callable[[aiohttp.ClientSession, str, str], Awaitable[float]]


def _question(model: str, *, stream: bool) -> dict[str, object]:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    return {"model": model, "messages": messages, "stream": stream, "max_tokens": 4, "temperature": 0}


async def get_models(http: aiohttp.ClientSession, url: str, _: str) -> float:
    """Seconds for a small GET."""
    begun = time.perf_counter()
    async with http.get(f"{url}/v1/models") as answer:
        assert answer.status == 200
        await answer.read()
    return time.perf_counter() - begun


async def whole_answer(http: aiohttp.ClientSession, url: str, model: str) -> float:
    """Seconds for an answer in one piece."""
    begun = time.perf_counter()
    async with http.post(f"{url}/v1/chat/completions", json=_question(model, stream=False)) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()
    return time.perf_counter() - begun


async def first_token(http: aiohttp.ClientSession, url: str, model: str) -> float:
    """Seconds to the first delta that has text; the rest is read, but not timed."""
    begun = time.perf_counter()
    async with http.post(f"{url}/v1/chat/completions", json=_question(model, stream=True)) as answer:
        assert answer.status == 200, await answer.text()
        taken = None
        async for line in answer.content:
            if taken is None and b'"content":"' in line and b'"content":""' not in line:
                taken = time.perf_counter() - begun
        assert taken is not None
        return taken


ASKED: dict[str, Ask] = {
    "GET /v1/models": get_models,
    "POST, whole": whole_answer,
    "POST, first token": first_token,
}


async def measure(ask: Ask, direct: str, relayed: str, model: str, rounds: int) -> tuple[list[float], list[float]]:
    """Times in seconds, direct and through the relay, round by round."""
    times: dict[str, list[float]] = {direct: [], relayed: []}
    async with aiohttp.ClientSession() as http:
        for number in range(WARM_UP + rounds):
            for url in random.sample([direct, relayed], 2):
                taken = await ask(http, url, model)
                if number >= WARM_UP:
                    times[url].append(taken)
    return times[direct], times[relayed]


async def main() -> int:
    """Measure, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description="What the relay adds to each request.")
    parser.add_argument("--foundry", help="a real Foundry Local, such as http://127.0.0.1:5273")
    parser.add_argument("--model", default=MODEL, help="a loaded model's id; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=200, help="default: %(default)s")
    given = parser.parse_args()
    table = Table("asked", "direct p50", "p95", "relay p50", "p95", "added", "(95 %)", "ratio", "CPU", "verdict")
    table.title = f"{given.rounds} rounds against {given.foundry or 'the stand-in'}; limit: {LIMIT_MS} ms added"
    table.caption = "Milliseconds; CPU: what the relay itself uses per request, whatever else the machine does."
    codes = []
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        relay = held.enter_context(running_relay(folder))
        direct = given.foundry or held.enter_context(stand_in(folder))
        relay.lead_to(direct)
        process = psutil.Process(relay.pid)
        for name, ask in ASKED.items():
            before_all = _cpu(process)
            plain, relayed = await measure(ask, direct, relay.url, given.model, given.rounds)
            cpu = (_cpu(process) - before_all) / (given.rounds + WARM_UP)
            low, added, high = median_between([after - before for before, after in zip(plain, relayed, strict=True)])
            code = 0 if high * 1000 < LIMIT_MS else 1 if low * 1000 > LIMIT_MS else 2
            codes.append(code)
            table.add_row(
                *(name, _ms(_p50(plain)), _ms(_p95(plain)), _ms(_p50(relayed)), _ms(_p95(relayed))),
                *(_ms(added), f"{_ms(low)} to {_ms(high)}", f"{_p50(relayed) / _p50(plain):.2f}", _ms(cpu)),
                ("within", "too slow", "can't tell")[code],
            )
    Console(width=110).print(table)
    return 1 if 1 in codes else max(codes)


@contextmanager
def stand_in(folder: Path) -> Iterator[str]:
    """The tests' stand-in for Foundry Local in a process of its own, as the real one is; gives its address."""
    port = free_port()
    argv = [sys.executable, "-m", "fakes.foundry", str(port)]
    pid = spawn_daemon(argv, folder / "stand-in.log", env={"PYTHONPATH": str(TESTS)})
    started = state.process_started(pid)
    try:
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            if time.monotonic() > deadline or not state.is_alive(pid, started):
                raise RuntimeError((folder / "stand-in.log").read_text())
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        state.stop_process(pid, started, 5)


def median_between(values: list[float]) -> tuple[float, float, float]:
    """The median, between the values that hold it with 95 % probability (by order, whatever the distribution)."""
    ordered = sorted(values)
    reach = 0.98 * math.sqrt(len(ordered))
    low = max(0, math.floor(len(ordered) / 2 - reach))
    high = min(len(ordered) - 1, math.ceil(len(ordered) / 2 + reach))
    return ordered[low], statistics.median(ordered), ordered[high]


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return used.user + used.system


def _p50(times: list[float]) -> float:
    return statistics.median(times)


def _p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
