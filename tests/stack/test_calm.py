"""A healthy stack on a busy machine with busy users: neither probe nor monitor ever says that something is broken."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.users_at_work import busy_processes, people_who_talk
from stack.probes.on_host import probe
from stack.settings import Settings

BUSY_PROCESSES = 2
PEOPLE = 2
AT_ONCE = 4
READY_SECONDS = 300


@dataclass
class Seen:
    """What was reported, and how often."""

    said: Counter[tuple[str, ...]] = field(default_factory=Counter)
    evidence: list[str] = field(default_factory=list)
    """Of what is neither well nor busy."""
    with_answers: int = 0
    seconds: list[float] = field(default_factory=list)
    people_got: int = 0

    def take(self, status: str, checks: list[dict[str, Any]]) -> None:
        """One report of the probe's or the monitor's."""
        causes = {str(check["cause"]) for check in checks if check["cause"]}
        self.said[status, *sorted(causes)] += 1
        strange = [check for check in checks if check["cause"] not in (None, "busy")]
        self.evidence += [f"{each['id']} {each['cause']}: {each['evidence']}" for each in strange]

    @property
    def only_ok_or_busy(self) -> bool:
        """Nothing failed, and nothing was degraded for another reason."""
        return set(self.said) <= {("ok",), ("degraded", "busy")}


async def watched(settings: Settings, log: Path, probes: int, seconds_with_answers: float) -> tuple[Seen, Seen]:
    """So many probes, some at a time, while the monitor is asked again and again; the later ones ask for no answers."""
    by_probe, by_monitor = Seen(), Seen()
    began = 0.0
    left = iter(range(probes))

    async def ask_the_stack() -> None:
        for _ in left:
            answers = time.monotonic() - began < seconds_with_answers
            report = await probe(settings, answers=answers)
            found = report.to_json()
            by_probe.take(found["status"], found["checks"])
            by_probe.with_answers += answers
            by_probe.seconds.append(report.seconds)

    async def ask_the_monitor(over: asyncio.Event) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=READY_SECONDS) as http:
            while not over.is_set():
                answer = await http.get(f"http://127.0.0.1:{settings.monitor_port}/readyz")
                found = answer.json()
                by_monitor.take(found["status"], found["checks"])
                assert (answer.status_code == 200) is (found["status"] != "failed")
                await asyncio.wait([asyncio.create_task(over.wait())], timeout=settings.monitor_interval)

    over = asyncio.Event()
    with busy_processes(BUSY_PROCESSES, log):
        async with people_who_talk(settings, PEOPLE) as talks:
            began = time.monotonic()
            monitor = asyncio.create_task(ask_the_monitor(over))
            await asyncio.gather(*(ask_the_stack() for _ in range(AT_ONCE)))
            over.set()
            await monitor
            by_probe.people_got = talks.answers
    return by_probe, by_monitor


def shown(who: str, seen: Seen) -> str:
    said = "; ".join(f"{' '.join(words)}: {count}" for words, count in seen.said.most_common())
    return f"{who}: {sum(seen.said.values())} reports: {said}"


@pytest.mark.full
async def test_five_probes(settings: Settings, tmp_path: Path) -> None:
    by_probe, by_monitor = await watched(settings, tmp_path / "log", 5, seconds_with_answers=1)
    assert by_probe.only_ok_or_busy, "\n".join(by_probe.evidence)
    assert by_monitor.only_ok_or_busy, "\n".join(by_monitor.evidence)
    assert by_probe.with_answers >= AT_ONCE


@pytest.mark.full
@pytest.mark.timeout(900)
async def test_two_hundred_probes(settings: Settings, tmp_path: Path) -> None:
    """Four at a time, so each is an "other" to the rest; after four minutes without answers, so that it ends."""
    by_probe, by_monitor = await watched(settings, tmp_path / "log", 200, seconds_with_answers=240)
    seconds = sorted(by_probe.seconds)
    print(
        f"\n{shown('probe', by_probe)}; {by_probe.with_answers} of them with answers; median {seconds[100]:.1f} s, "
        f"longest {seconds[-1]:.1f} s\n{shown('monitor', by_monitor)}\npeople got {by_probe.people_got} answers"
    )
    assert by_probe.only_ok_or_busy, "\n".join(by_probe.evidence)
    assert by_monitor.only_ok_or_busy, "\n".join(by_monitor.evidence)
    assert by_probe.with_answers >= 20
    assert by_probe.people_got > 0
