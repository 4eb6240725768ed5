"""Slow or silent because others are served, or for no such reason: told by what the relay says, our own not counted."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx
import pytest

from stack.probes.crowd import Crowd, Look, came
from stack.probes.report import Speed, Status, failed
from stack.tools import under_way

SLOW = came("first token after 12 s", Speed(12.0))


class Relay(httpx.AsyncBaseTransport):
    """Tells what it is told to tell."""

    def __init__(self) -> None:
        self.told: dict[str, str] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=self.told)


@pytest.fixture
def relay() -> Relay:
    return Relay()


@pytest.fixture
async def crowd(relay: Relay) -> AsyncIterator[Crowd]:
    async with httpx.AsyncClient(transport=relay) as http:
        yield Crowd(http, lambda: "http://relay")


def looks(crowd: Crowd, *others: int) -> float:
    """One look a second, the last one now; when the first one was."""
    now = time.monotonic()
    crowd._looks[:] = [
        Look(now - back, each, None) for back, each in zip(range(len(others))[::-1], others, strict=True)
    ]
    return now - len(others)


async def test_our_own_questions_are_no_others(crowd: Crowd, relay: Relay) -> None:
    relay.told = under_way.told(3, [0.5, 7.0])
    alone = await crowd.look()
    assert alone
    assert alone.others == 3
    assert alone.served_at == pytest.approx(alone.when - 0.5)
    async with crowd.asking() as first, crowd.asking():
        first.text_came()
        look = await crowd.look()
        assert look
        assert look.others == 1
        assert look.served_at == pytest.approx(look.when - 7.0)
        async with crowd.asking() as third:
            third.text_came()
            look = await crowd.look()
            assert look
            assert (look.others, look.served_at) == (0, None)


async def test_a_question_of_ours_that_stands_in_a_pages_line_is_not_among_those_under_way(
    crowd: Crowd, relay: Relay
) -> None:
    relay.told = under_way.told(1, [0.5])
    async with crowd.asking() as asking:
        for stands, others in ((True, 1), (False, 0)):
            asking.stands_in_line(stands)
            look = await crowd.look()
            assert look
            assert look.others == others


async def test_where_no_relay_tells_nobody_is_seen(crowd: Crowd) -> None:
    assert await crowd.look() is None
    assert (await crowd.judge(failed("foundry-hangs", "silent"), time.monotonic() - 60)).cause == "foundry-hangs"


@pytest.mark.parametrize(
    ("others", "cause"),
    [
        ([0, 0, 0, 0], "slow-first-token"),
        ([2, 2, 2, 2], "busy"),
        ([2, 0, 1, 0], "busy"),
        ([1, 0, 0, 0], "slow-first-token"),
        ([], "slow-first-token"),
    ],
)
async def test_slow_is_busy_when_others_had_answers_under_way(crowd: Crowd, others: list[int], cause: str) -> None:
    outcome = await crowd.judge(SLOW, looks(crowd, *others))
    assert (outcome.status, outcome.cause, outcome.speed) == (Status.DEGRADED, cause, Speed(12.0))


async def test_others_that_came_after_the_first_text_are_no_reason(crowd: Crowd) -> None:
    since = looks(crowd, 0, 0, 2, 2)
    assert (await crowd.judge(SLOW, since, until=since + 2.5)).cause == "slow-first-token"


@pytest.mark.parametrize(
    ("silent", "cause"), [([], "foundry-hangs"), ([2.0], "busy"), ([29.0], "busy"), ([31.0, 59.0], "foundry-hangs")]
)
async def test_silence_is_busy_when_others_got_text_meanwhile(
    crowd: Crowd, relay: Relay, silent: list[float], cause: str
) -> None:
    """What has hung since the beginning of our wait has given them text just before."""
    relay.told = under_way.told(2, silent)
    outcome = await crowd.judge(failed("foundry-hangs", "no token for 60 s"), time.monotonic() - 60)
    assert outcome.cause == cause
    assert outcome.status is (Status.DEGRADED if cause == "busy" else Status.FAILED)


async def test_another_failure_stays_what_it_is(crowd: Crowd, relay: Relay) -> None:
    relay.told = under_way.told(2, [0.1])
    assert (await crowd.judge(failed("stream-cut", "cut"), time.monotonic() - 60)).cause == "stream-cut"


@pytest.mark.parametrize(("seconds", "cause"), [(9.9, None), (10.1, "slow-first-token")])
def test_a_slow_answer_is_degraded(seconds: float, cause: str | None) -> None:
    assert came("it came", Speed(seconds)).cause == cause


def test_what_is_told_is_heard() -> None:
    told = under_way.told(60, [float(number) for number in range(60)])
    heard = under_way.heard(told)
    assert heard
    assert heard[0] == 60
    assert heard[1] == [float(number) for number in range(under_way.MOST)]
    assert under_way.heard({}) is None
    assert under_way.heard({under_way.COUNT: "many"}) is None
    assert under_way.heard({under_way.COUNT: "2"}) == (2, [])
