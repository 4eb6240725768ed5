"""The line: who comes first is answered first, everybody knows the place, and whoever leaves does so at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from chat import line as chat_line
from chat.line import PLACES_FOR_CHECKS
from chat.problems import Problem
from chat.settings import Settings


class Line(chat_line.Line):
    """One with its limits."""

    def __init__(self, at_once: int, longest: int) -> None:
        super().__init__()
        self.knobs = Settings(answers_at_once=at_once, line_length=longest)


HERE: list[Somebody] = []  # nobody else holds their tasks


class Somebody:
    """Asks, waits, is answered until told that it is enough."""

    def __init__(self, line: Line, *, is_check: bool = False) -> None:
        self.places: list[int] = []
        self.is_answered = asyncio.Event()
        self.enough = asyncio.Event()
        self.waited = -1.0
        self.task = asyncio.create_task(self._ask(line, is_check))
        HERE.append(self)

    async def _ask(self, line: Line, is_check: bool) -> None:
        async with line.turn(self._told, line.knobs, is_check=is_check) as self.waited:
            self.is_answered.set()
            await self.enough.wait()

    async def _told(self, before: int, _answered: int) -> None:
        self.places.append(before)

    async def end(self) -> None:
        self.enough.set()
        await self.task

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def nobody(_before: int, _answered: int) -> None:
    """Is not told."""


async def settle() -> None:
    """Let everybody come as far as they can without the others."""
    for _ in range(20):
        await asyncio.sleep(0)


pytestmark = pytest.mark.timeout(20)


@pytest.fixture(autouse=True)
async def nobody_stays() -> AsyncIterator[None]:
    yield
    for each in HERE:
        await each.leave()
    HERE.clear()


async def people(line: Line, count: int) -> list[Somebody]:
    them = [Somebody(line) for _ in range(count)]
    await settle()
    return them


async def test_so_many_at_once_and_the_others_in_the_order_they_came() -> None:
    line = Line(2, 10)
    them = await people(line, 5)
    assert [each.is_answered.is_set() for each in them] == [True, True, False, False, False]
    assert (line.answered, line.length) == (2, 3)
    assert [each.places for each in them] == [[], [], [0], [1], [2]]
    await them[1].end()
    await settle()
    assert [each.is_answered.is_set() for each in them] == [True, True, True, False, False]
    assert [each.places[-1] for each in them[3:]] == [0, 1]
    for each in them:
        await each.end()
    assert (line.answered, line.length) == (0, 0)


async def test_how_long_it_took_is_told() -> None:
    line = Line(1, 10)
    first, second = await people(line, 2)
    await asyncio.sleep(0.05)
    await first.end()
    await second.is_answered.wait()
    assert first.waited < 0.05 <= second.waited


async def test_who_comes_when_a_turn_ends_does_not_get_before_the_others() -> None:
    line = Line(1, 10)
    first, second = await people(line, 2)
    first.enough.set()
    late = Somebody(line)
    await settle()
    assert second.is_answered.is_set()
    assert not late.is_answered.is_set()


async def test_who_leaves_the_line_makes_those_behind_move_up_and_nobody_else() -> None:
    line = Line(1, 10)
    _, ahead, leaves, behind = await people(line, 4)
    await leaves.leave()
    await settle()
    assert (ahead.places, behind.places) == ([0], [2, 1])
    assert (line.answered, line.length) == (1, 2)
    assert not leaves.is_answered.is_set()


async def test_who_leaves_during_the_answer_or_fails_passes_the_turn_on() -> None:
    line = Line(1, 10)
    first, second, third = await people(line, 3)
    await first.leave()
    await settle()
    assert second.is_answered.is_set()
    await second.leave()
    await settle()
    assert third.is_answered.is_set()
    await third.end()
    assert (line.answered, line.length) == (0, 0)


async def test_who_leaves_at_the_moment_of_the_turn_passes_it_on() -> None:
    line = Line(1, 10)
    mine = line.turn(nobody, line.knobs)
    await mine.__aenter__()
    second, third = await people(line, 2)
    await mine.__aexit__(None, None, None)  # the turn is the second's now, who has not run since
    await second.leave()
    await settle()
    assert not second.is_answered.is_set()
    assert third.is_answered.is_set()
    assert (line.answered, line.length) == (1, 0)


async def test_a_full_line_says_so() -> None:
    line = Line(1, 2)
    await people(line, 3)
    refused = Somebody(line)
    with pytest.raises(Problem) as problem:
        await refused.task
    assert problem.value.cause == "busy"
    assert "3 are being answered or waiting" in problem.value.what
    assert (line.answered, line.length) == (1, 2)


async def test_nobody_need_wait_where_the_line_may_have_no_length() -> None:
    line = Line(1, 0)
    first = Somebody(line)
    await settle()
    with pytest.raises(Problem):
        await Somebody(line).task
    await first.end()
    await Somebody(line).end()


async def test_checks_are_not_refused_and_take_no_users_place() -> None:
    line = Line(1, 2)
    await people(line, 2)
    checks = [Somebody(line, is_check=True) for _ in range(PLACES_FOR_CHECKS)]
    await settle()
    last_user = Somebody(line)
    await settle()
    assert [each.places for each in checks] == [[1], [2]], "they stand in the line like everybody"
    assert last_user.places == [3]
    with pytest.raises(Problem):
        await Somebody(line).task
    with pytest.raises(Problem):
        await Somebody(line, is_check=True).task


async def test_it_knows_who_waits() -> None:
    line = Line(1, 10)
    first, second = await people(line, 2)
    assert not line.waits(first.task)
    assert line.waits(second.task)
    await first.end()
    await settle()
    assert not line.waits(second.task)
