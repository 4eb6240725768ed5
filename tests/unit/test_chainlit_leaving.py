"""Whoever closes the page gives up the place in the line; whoever comes back, or is being answered, does not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from chat import leaving
from chat.leaving import page_left
from chat.line import Line
from chat.settings import Settings

ONE = Settings(answers_at_once=1)


@dataclass
class Session:
    """As Chainlit keeps it."""

    current_task: asyncio.Task[object] | None
    socket_id: str = "first"
    to_clear: bool = False


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "A_MOMENT_SECONDS", 0.01)
    monkeypatch.setattr(leaving, "BACK_WITHIN_SECONDS", 0.1)


async def in_line(line: Line) -> asyncio.Task[object]:
    """Somebody who asks, and is answered for ever when the turn comes."""

    async def told(_before: int, _answered: int) -> None:
        pass

    async def ask() -> None:
        async with line.turn(told, ONE):
            await asyncio.Event().wait()

    task: asyncio.Task[object] = asyncio.create_task(ask())
    await asyncio.sleep(0)
    return task


async def stays(task: asyncio.Task[object], seconds: float) -> bool:
    """Whether the task is still there after so long."""
    done, _ = await asyncio.wait({task}, timeout=seconds)
    return not done


async def test_a_chat_that_was_closed_leaves_at_once() -> None:
    line = Line()
    answered, waits = await in_line(line), await in_line(line)
    session = Session(waits)
    page_left(session, line)
    session.to_clear = True  # Chainlit hears it after the connection's end
    async with asyncio.timeout(0.09):
        assert not await stays(waits, 0.08)
    answered.cancel()


async def test_who_does_not_come_back_leaves() -> None:
    line = Line()
    answered, waits = await in_line(line), await in_line(line)
    page_left(Session(waits), line)
    assert await stays(waits, 0.05)
    assert not await stays(waits, 5)
    assert line.length == 0
    answered.cancel()


async def test_who_comes_back_keeps_the_place() -> None:
    line = Line()
    answered, waits = await in_line(line), await in_line(line)
    session = Session(waits)
    page_left(session, line)
    session.socket_id = "second"
    assert await stays(waits, 0.2)
    assert line.waits(waits)
    waits.cancel()
    answered.cancel()


async def test_an_answer_under_way_is_written_to_its_end() -> None:
    line = Line()
    answered, waits = await in_line(line), await in_line(line)
    page_left(Session(answered, to_clear=True), line)
    assert await stays(answered, 0.2)
    session = Session(waits)
    page_left(session, line)
    answered.cancel()  # so that the turn is the other's, who has not come back in time
    assert await stays(waits, 0.2)
    waits.cancel()


async def test_who_asked_nothing_has_nothing_to_leave() -> None:
    page_left(Session(None, to_clear=True), Line())
