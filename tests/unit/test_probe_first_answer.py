"""A token through a front end shows that the model answers; only where none comes so is it asked itself."""

from __future__ import annotations

import asyncio

import pytest

from stack.probes import first_answer
from stack.probes.first_answer import FirstAnswer
from stack.probes.report import Outcome, Speed, degraded, failed, ok


def says(outcome: Outcome, after: asyncio.Event | None = None) -> first_answer.Ask:
    async def ask() -> Outcome:
        if after:
            await after.wait()
        return outcome

    return ask


async def test_the_first_front_end_that_brings_text() -> None:
    first, late = FirstAnswer(), asyncio.Event()
    asked = [
        asyncio.create_task(first.through("broken", says(failed("front-end-down", "gone")))),
        asyncio.create_task(first.through("late", says(ok("well", Speed(1)), late))),
    ]
    waits = asyncio.create_task(first.came())
    await asked[0]
    assert not waits.done()
    late.set()
    came = await waits
    assert came
    assert came[0] == "late"


@pytest.mark.parametrize("outcome", [failed("stream-cut", "cut"), degraded("busy", "no token in time")])
async def test_none_brings_text(outcome: Outcome) -> None:
    first = FirstAnswer()
    waits = asyncio.create_task(first.came())
    await first.through("chat", says(outcome))
    assert await waits is None


async def test_what_one_overlooks_another_may_not() -> None:
    """Open WebUI takes an answer that was cut off for a whole one."""
    first, late = FirstAnswer(), asyncio.Event()
    asked = [
        asyncio.create_task(first.through("tolerant", says(ok("well", Speed(1))))),
        asyncio.create_task(first.through("strict", says(failed("stream-cut", "cut"), late))),
    ]
    waits = asyncio.create_task(first.came())
    await asked[0]
    assert not waits.done()
    late.set()
    assert await waits is None
    await asked[1]


async def test_none_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_answer, "BEGIN_SECONDS", 0.01)
    assert await FirstAnswer().came() is None


async def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_answer, "PATIENCE_SECONDS", 0.05)
    first = FirstAnswer()
    asked = asyncio.create_task(first.through("chat", says(ok("never"), asyncio.Event())))
    assert await first.came() is None
    asked.cancel()
