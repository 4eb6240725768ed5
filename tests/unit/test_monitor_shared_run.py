"""However many ask, the monitor runs once, and not again before the last result is old enough."""

from __future__ import annotations

import asyncio

import pytest

from monitor.shared_run import SharedRun

INTERVAL = 60.0


class Work:
    """Counts its runs; each ends when the test lets it, and its result is its number."""

    def __init__(self) -> None:
        self.begun = 0
        self.cleaned_up = 0
        self.fails = False
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        mine = self.begun
        try:
            await self.may_end.wait()
        finally:
            self.cleaned_up += 1
        if self.fails:
            raise RuntimeError("no result")
        return mine


class Clock:
    """Shows what it was set to."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(work: Work, clock: Clock) -> SharedRun[int]:
    return SharedRun(work, INTERVAL, clock)


async def test_all_who_ask_at_once_share_one_run(run: SharedRun[int], work: Work) -> None:
    callers = [asyncio.create_task(run.result()) for _ in range(20)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert await asyncio.gather(*callers) == [1] * 20
    assert work.begun == 1


@pytest.mark.parametrize(("later", "result"), [(0.0, 1), (INTERVAL - 0.1, 1), (INTERVAL, 2), (10 * INTERVAL, 2)])
async def test_a_result_lasts_an_interval(
    run: SharedRun[int], work: Work, clock: Clock, later: float, result: int
) -> None:
    work.may_end.set()
    assert await run.result() == 1
    clock.seconds += later
    assert await run.result() == result
    assert work.begun == result


async def test_its_age_counts_from_the_end_of_the_run(run: SharedRun[int], work: Work, clock: Clock) -> None:
    caller = asyncio.create_task(run.result())
    await asyncio.sleep(0)
    clock.seconds += 45
    work.may_end.set()
    await caller
    assert run.age == 0
    clock.seconds += 7
    assert run.age == 7


async def test_who_leaves_does_not_end_the_run_of_the_others(run: SharedRun[int], work: Work) -> None:
    leaves, stays = asyncio.create_task(run.result()), asyncio.create_task(run.result())
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait([leaves])
    work.may_end.set()
    assert await stays == 1


async def test_a_failure_reaches_those_who_wait_and_is_no_result(run: SharedRun[int], work: Work) -> None:
    work.fails = True
    work.may_end.set()
    found = await asyncio.gather(run.result(), run.result(), return_exceptions=True)
    assert [type(each) for each in found] == [RuntimeError, RuntimeError]
    work.fails = False
    assert await run.result() == 2


async def test_a_run_may_begin_without_anybody_waiting(run: SharedRun[int], work: Work) -> None:
    first = run.begin_if_due()
    assert first is not None
    assert run.begin_if_due() is first
    work.may_end.set()
    await first
    assert (run.last, run.begin_if_due(), work.begun) == (1, None, 1)


async def test_a_stopped_run_cleans_up(run: SharedRun[int], work: Work) -> None:
    begun = run.begin_if_due()
    assert begun is not None
    await asyncio.sleep(0)
    await run.stop()
    assert begun.cancelled()
    assert work.cleaned_up == 1
