"""How fast the probe is on the running stack: without tokens in seconds, with them as a ratio to the front ends' own.

    python -m benchmarks.probe_speed [--rounds 10]

Run it with `tests` and `scripts` on the path, on a stack that is well and a machine that is quiet. Every round asks
everything once, in random order. Exit code 0: both limits are met; 1: they are not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import httpx
from rich.console import Console
from rich.table import Table

from stack.probes.on_host import FRONT_ENDS, probe
from stack.probes.report import Report, Status
from stack.probes.running import Running
from stack.settings import Settings, load
from stack.tools.process import run

LIMIT_SECONDS = 1.0  # without tokens
LIMIT_RATIO = 1.3  # with tokens, to the slowest front end's own answer in the same probe
WARM_UP = 1
START = [sys.executable, "-c", "import stack.commands.probe, stack.probes.on_host"]


def main() -> int:
    """Measure, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description="How fast the probe is.")
    parser.add_argument("--rounds", type=int, default=10, help="default: %(default)s")
    rounds: int = parser.parse_args().rounds
    settings = load()
    times: dict[str, list[float]] = {}
    before = os.getloadavg()[0]
    for number in range(WARM_UP + rounds):
        for measure in random.sample([start, without_tokens, with_tokens, alone], 4):
            for name, value in measure(settings).items():
                if number >= WARM_UP:
                    times.setdefault(name, []).append(value)
    table = Table(
        "measured", "p50", "fastest", "slowest", title=f"{rounds} rounds; load {before:.1f} before", width=100
    )
    for name, values in sorted(times.items()):
        table.add_row(name, *(f"{each:.2f}" for each in (statistics.median(values), min(values), max(values))))
    quick = statistics.median(times["probe without tokens, s"]) <= LIMIT_SECONDS
    lean = statistics.median(times["whole probe / slowest answer in it"]) <= LIMIT_RATIO
    table.caption = f"limits: {LIMIT_SECONDS} s {_met(quick)}; ratio {LIMIT_RATIO} {_met(lean)}"
    Console(width=100).print(table)
    return 0 if quick and lean else 1


def start(_: Settings) -> dict[str, float]:
    """Python, and all that the probe imports."""
    began = time.perf_counter()
    assert run(START).code == 0
    return {"start of Python and imports, s": time.perf_counter() - began}


def without_tokens(settings: Settings) -> dict[str, float]:
    """All that costs no token."""
    return {"probe without tokens, s": _well(asyncio.run(probe(settings, answers=False))).seconds}


def with_tokens(settings: Settings) -> dict[str, float]:
    """Everything."""
    report = _well(asyncio.run(probe(settings)))
    slowest = max(check.seconds for check in report.checks if check.layer == "answer")
    return {"whole probe, s": report.seconds, "whole probe / slowest answer in it": report.seconds / slowest}


def alone(settings: Settings) -> dict[str, float]:
    """Each front end's answer with nothing beside it: what the model does for three at once costs more."""

    async def ask() -> dict[str, float]:
        found = {}
        async with httpx.AsyncClient(trust_env=False) as http:
            for service, question in FRONT_ENDS.items():
                found[f"{service} alone, s"] = await _timed(lambda: question(Running(settings, http)))  # noqa: B023
        return found

    return asyncio.run(ask())


async def _timed(ask: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await ask()
    return time.perf_counter() - began


def _well(report: Report) -> Report:
    if report.status is Status.FAILED:
        raise SystemExit(f"The stack is not well: {[check.cause for check in report.checks if check.cause]}")
    return report


def _met(yes: bool) -> str:
    return "met" if yes else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
