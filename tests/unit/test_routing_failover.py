"""One place is asked, then the other; an answer is of one of them only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import httpx2
import openai
import pytest

from chat.problems import Problem, TooLong, from_openai, stream_cut, too_many
from chat.routing.breaker import Breaker
from chat.routing.decision import Decision, Place
from chat.routing.failover import Failover, Hooks, KeptHereError, Route

DOWN = Problem("connection-refused", "Nobody is there.", "Start it.")
LOCAL_FIRST = Decision("local", "local-first", "local first", then="cloud")
CLOUD_FIRST = Decision("cloud", "complex", "complexity 120 of 100", then="local")
LOCAL_ONLY = Decision("local", "found-private", "it holds an e-mail address")
HANG = "hang"

Said = str | Problem


def refused(status: int, **headers: str) -> Problem:
    """What a server's refusal becomes."""
    response = httpx2.Response(status, headers=headers, request=httpx2.Request("POST", "http://x/v1/chat/completions"))
    error = openai.APIStatusError("no", response=response, body=None)
    kind = openai.RateLimitError if status == 429 else openai.InternalServerError if status >= 500 else None
    error = kind("no", response=response, body=None) if kind else error
    problem = from_openai(error, root="http://x")
    problem.__cause__ = error
    return problem


@dataclass
class Places:
    """What each says; notes who was asked, and whether he was left."""

    local: list[Said] = field(default_factory=lambda: ["here"])
    cloud: list[Said] = field(default_factory=lambda: ["there"])
    kept: KeptHereError | None = None
    asked: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: list[tuple[Place, str]] = field(default_factory=list)
    before: list[Route] = field(default_factory=list)
    breakers: dict[Place, Breaker] = field(default_factory=lambda: {"local": Breaker(1), "cloud": Breaker(1)})
    way: Failover | None = None

    async def ask(self, place: Place) -> AsyncGenerator[str]:
        self.asked.append(place)
        try:
            for each in self.local if place == "local" else self.cloud:
                if isinstance(each, Problem):
                    raise each
                if each == HANG:
                    await asyncio.Event().wait()
                yield each
        finally:
            self.left.append(place)

    async def answer(self, decision: Decision, seconds: float = 30) -> str:
        async def before(route: Route) -> None:
            self.before.append(route)
            if route.place == "cloud" and self.kept:
                raise self.kept

        hooks = Hooks(before, lambda place, problem: self.failed.append((place, problem.cause)))
        self.way = Failover(decision, self.ask, self.breakers, seconds, hooks)
        return "".join([piece async for piece in self.way.pieces()])

    @property
    def went(self) -> tuple[str, str]:
        assert self.way
        return self.way.route.place, self.way.route.why


@pytest.mark.parametrize(("decision", "said"), [(LOCAL_FIRST, "here"), (CLOUD_FIRST, "there"), (LOCAL_ONLY, "here")])
async def test_who_is_decided_on_answers_and_nobody_else_is_asked(decision: Decision, said: str) -> None:
    places = Places()
    assert await places.answer(decision) == said
    assert places.asked == places.left == [decision.place]
    assert places.went == (decision.place, decision.why)


@pytest.mark.parametrize(
    "problem",
    [DOWN, TooLong("It is too long.", "Shorten it.", "said"), stream_cut(begun=False), too_many(3), refused(500)],
)
async def test_where_this_machine_fails_the_cloud_is_asked(problem: Problem) -> None:
    places = Places(local=[problem])
    assert await places.answer(LOCAL_FIRST) == "there"
    assert places.went == ("cloud", "local-failed")
    assert places.failed == [("local", problem.cause)]
    assert problem.cause in places.before[-1].words


@pytest.mark.parametrize("problem", [DOWN, refused(429), refused(500), refused(401), stream_cut(begun=False)])
async def test_where_the_cloud_fails_this_machine_is_asked(problem: Problem) -> None:
    places = Places(cloud=[problem])
    assert await places.answer(CLOUD_FIRST) == "here"
    assert places.went == ("local", "cloud-failed")


@pytest.mark.parametrize(("decision", "said"), [(LOCAL_FIRST, "there"), (CLOUD_FIRST, "here")])
async def test_who_says_no_word_in_time_is_left_and_the_other_asked(decision: Decision, said: str) -> None:
    places = Places(**{decision.place: [HANG]})
    assert await places.answer(decision, seconds=0.01) == said
    assert places.left[0] == decision.place, "still connected while the other is asked"
    assert places.failed == [(decision.place, "first-word-late")]


async def test_who_waits_for_a_turn_is_not_late_yet() -> None:
    places = Places()

    async def waits(place: Place) -> AsyncGenerator[str]:
        if place == "local":
            with failover.not_counted():
                await asyncio.sleep(0.2)
        yield place

    failover = Failover(LOCAL_FIRST, waits, places.breakers, 0.1, Hooks(_nothing, lambda *_: None))
    assert [piece async for piece in failover.pieces()] == ["local"]
    assert not places.breakers["local"].rests


async def test_who_had_his_turn_and_says_no_word_is_late() -> None:
    places = Places()

    async def hangs(place: Place) -> AsyncGenerator[str]:
        if place == "local":
            with failover.not_counted():
                await asyncio.sleep(0.01)
            await asyncio.Event().wait()
        yield place

    failover = Failover(LOCAL_FIRST, hangs, places.breakers, 0.05, Hooks(_nothing, lambda *_: None))
    assert [piece async for piece in failover.pieces()] == ["cloud"]


async def test_where_nobody_else_may_be_asked_the_first_word_is_waited_for() -> None:
    """And a failure is a failure: what is private fails rather than leaves."""
    places = Places(local=[HANG])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await places.answer(LOCAL_ONLY, seconds=0.001)
    places = Places(local=[DOWN])
    with pytest.raises(Problem) as problem:
        await places.answer(LOCAL_ONLY)
    assert problem.value is DOWN
    assert places.asked == ["local"]


@pytest.mark.parametrize(("decision", "begun"), [(LOCAL_FIRST, "local"), (CLOUD_FIRST, "cloud")])
async def test_what_has_begun_is_never_gone_on_with_elsewhere(decision: Decision, begun: str) -> None:
    places = Places(**{begun: ["The", " capital", stream_cut()]})
    got = []
    hooks = Hooks(_nothing, lambda *_: None)
    with pytest.raises(Problem) as problem:
        async for piece in Failover(decision, places.ask, places.breakers, 30, hooks).pieces():
            got.append(piece)
    assert problem.value.cause == "stream-cut"
    assert got == ["The", " capital"]
    assert places.asked == [begun]
    assert places.breakers[begun].rests  # type: ignore[index]


async def test_a_slow_answer_that_has_begun_is_not_cut_by_the_time_budget() -> None:
    places = Places()

    async def slow(_: Place) -> AsyncGenerator[str]:
        yield "a"
        await asyncio.sleep(0.05)
        yield "b"

    failover = Failover(LOCAL_FIRST, slow, places.breakers, 0.02, Hooks(_nothing, lambda *_: None))
    assert [piece async for piece in failover.pieces()] == ["a", "b"]


async def test_where_both_fail_the_user_is_told_of_both() -> None:
    places = Places(local=[DOWN], cloud=[refused(500)])
    with pytest.raises(Problem) as problem:
        await places.answer(LOCAL_FIRST)
    assert problem.value.cause == "server-error"
    assert "Nobody is there." in problem.value.what
    assert places.asked == ["local", "cloud"]


async def test_what_the_user_keeps_is_answered_here() -> None:
    places = Places(kept=KeptHereError("declined", "you kept it here"))
    assert await places.answer(CLOUD_FIRST) == "here"
    assert places.asked == ["local"]
    assert places.went == ("local", "declined")
    assert not places.breakers["cloud"].rests, "it has not failed"


async def test_what_the_user_keeps_where_this_machine_has_failed_fails() -> None:
    places = Places(local=[DOWN], kept=KeptHereError("declined", "you kept it here"))
    with pytest.raises(Problem) as problem:
        await places.answer(LOCAL_FIRST)
    assert problem.value is DOWN
    assert places.asked == ["local"]


async def test_what_can_not_be_noted_is_not_sent() -> None:
    places = Places()

    async def before(route: Route) -> None:
        if route.place == "cloud":
            raise Problem("audit-log-unwritable", "full", "fix")

    failover = Failover(CLOUD_FIRST, places.ask, places.breakers, 30, Hooks(before, lambda *_: None))
    assert [piece async for piece in failover.pieces()] == ["here"]
    assert places.asked == ["local"]


@pytest.mark.parametrize(
    ("problem", "rests"),
    [
        (DOWN, True),
        (refused(500), True),
        (refused(401), True),
        (refused(429), True),
        (refused(400), False),
        (refused(413), False),
        (too_many(3), False),
        (TooLong("It is too long.", "Shorten it.", "said"), False),
        (Problem("model-not-loaded", "no", "fix"), False),
        (Problem("empty-answer", "no", "fix"), False),
    ],
)
async def test_only_who_is_at_fault_is_left_alone(problem: Problem, rests: bool) -> None:
    places = Places(local=[problem])
    await places.answer(LOCAL_FIRST)
    assert places.breakers["local"].rests is rests


async def test_who_says_for_how_long_is_left_alone_for_so_long() -> None:
    places = Places(cloud=[refused(503, **{"retry-after": "120"})])
    places.breakers["cloud"] = Breaker(failures=3)
    await places.answer(CLOUD_FIRST)
    assert places.breakers["cloud"].rests, "at once, not after three failures"


async def test_who_answers_has_recovered() -> None:
    places = Places(local=[DOWN])
    places.breakers["local"] = Breaker(failures=2)
    await places.answer(LOCAL_FIRST)
    places.local = ["here"]
    await places.answer(LOCAL_FIRST)
    places.local = [DOWN]
    await places.answer(LOCAL_FIRST)
    assert not places.breakers["local"].rests


async def test_stop_leaves_who_is_asked_and_asks_nobody_else() -> None:
    places = Places(local=[HANG])
    task = asyncio.create_task(places.answer(LOCAL_FIRST))
    while not places.asked:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert places.asked == places.left == ["local"]
    assert not places.breakers["local"].rests


async def _nothing(_: Route) -> None:
    return None
