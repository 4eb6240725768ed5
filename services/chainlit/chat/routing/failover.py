"""Ask one place, and the other where the first fails before its first word.

What has begun is never gone on with elsewhere: an answer is of one place, whole or broken off.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

import openai

from chat.problems import Problem
from chat.routing.breaker import Breaker
from chat.routing.decision import Decision, Place, Why

# What says nothing of who was asked: the question is at fault, or what the user chose.
NOT_ITS_FAULT = {"context-too-long", "empty-answer", "model-not-loaded", "model-unknown", "audit-log-unwritable"}
NOT_ITS_FAULT_STATUS = {400, 413, 422}

Ask = Callable[[Place], AsyncGenerator[str]]
"""Asks there; raises a Problem where that fails."""


class KeptHereError(Exception):
    """Nothing may be sent to the cloud now.

    Args:
        why: a stable code.
        words: the same for the user.
    """

    def __init__(self, why: Why, words: str) -> None:
        super().__init__(why)
        self.why = why
        self.words = words


@dataclass(frozen=True)
class Route:
    """Which way a question went.

    Attributes:
        place: who answers.
        why: a stable code.
        words: the same for the user.
        failed: why the place that was asked before gave no answer.
    """

    place: Place
    why: Why
    words: str
    failed: Problem | None = None


@dataclass(frozen=True)
class Hooks:
    """What the way leads through.

    Attributes:
        before: before a place is asked, without a limit of time; raises `KeptHereError` where the cloud may not be.
        failed: a place gave no answer.
    """

    before: Callable[[Route], Awaitable[None]]
    failed: Callable[[Place, Problem], None]


class Failover:
    """One question on its way.

    Args:
        decision: who is asked, and who then.
        ask: asks a place.
        breakers: of each place.
        seconds: how long the first word is waited for where there is somebody else to ask.

    Attributes:
        route: the way that the question went, as far as it is known.
    """

    def __init__(
        self, decision: Decision, ask: Ask, breakers: Mapping[Place, Breaker], seconds: float, hooks: Hooks
    ) -> None:
        self._then = decision.then
        self._ask = ask
        self._breakers = breakers
        self._seconds = seconds
        self._hooks = hooks
        self._limit: asyncio.Timeout | None = None
        self.route = Route(decision.place, decision.why, decision.words)

    async def pieces(self) -> AsyncGenerator[str]:
        """The answer, of one place, whole or broken off.

        Raises:
            Problem: of the last place that was asked.
        """
        first, coming = await self._begun()
        place = self.route.place
        async with aclosing(coming):
            try:
                yield first
                async for piece in coming:
                    yield piece
            except Problem as problem:
                self._note(place, problem)
                raise
        self._breakers[place].worked()

    @contextmanager
    def not_counted(self) -> Iterator[None]:
        """Who waits here for his turn has not been asked yet: the seconds are counted from the end of the block on."""
        limit, self._limit = self._limit, None
        if limit:
            limit.reschedule(None)
        yield
        if limit:
            limit.reschedule(asyncio.get_running_loop().time() + self._seconds)

    async def _begun(self) -> tuple[str, AsyncGenerator[str]]:
        first, then = self.route, self._then
        try:
            return await self._first_piece(self._seconds if then else None)
        except KeptHereError as kept:
            self.route = Route("local", kept.why, kept.words)
            return await self._first_piece(None)
        except Problem as problem:
            if then is None:
                raise
            self.route = _other(then, problem)
            try:
                return await self._first_piece(None)
            except KeptHereError:
                self.route = first
                raise problem from problem.__cause__
            except Problem as last:
                raise _both(problem, last) from last.__cause__

    async def _first_piece(self, seconds: float | None) -> tuple[str, AsyncGenerator[str]]:
        place = self.route.place
        await self._hooks.before(self.route)
        self._breakers[place].asked()
        coming = self._ask(place)
        try:
            async with asyncio.timeout(seconds) as limit:
                self._limit = limit if seconds is not None else None
                return await anext(coming), coming
        except TimeoutError as late:
            problem = _late(seconds or 0.0)
            problem.__cause__ = late
        except Problem as failed:
            problem = failed
        self._note(place, problem)
        raise problem

    def _note(self, place: Place, problem: Problem) -> None:
        self._hooks.failed(place, problem)
        is_its_fault, rest = _judged(problem)
        if is_its_fault:
            self._breakers[place].failed(rest)


def _judged(problem: Problem) -> tuple[bool, float | None]:
    """Whether it is the fault of who was asked, and for how long that asks to be left alone."""
    error = problem.__cause__
    if isinstance(error, openai.APIStatusError):
        after = error.response.headers.get("retry-after", "")
        is_its_fault = problem.cause not in NOT_ITS_FAULT and error.status_code not in NOT_ITS_FAULT_STATUS
        return is_its_fault, float(after) if after.isdecimal() else None
    return problem.cause not in NOT_ITS_FAULT and problem.cause != "busy", None  # busy: there is no turn in the line


def _other(place: Place, failed: Problem) -> Route:
    if place == "cloud":
        return Route("cloud", "local-failed", f"this machine failed: {failed.cause}", failed)
    return Route("local", "cloud-failed", f"the cloud failed: {failed.cause}", failed)


def _late(seconds: float) -> Problem:
    return Problem(
        "first-word-late",
        f"There was no word of an answer within {seconds:g} s.",
        "Send your message again in a moment. (`ROUTING_SECONDS` in `.env` sets how long it is waited for.)",
    )


def _both(first: Problem, last: Problem) -> Problem:
    return Problem(
        last.cause, f"{last.what} (Before that: {first.what})", last.fix, private=first.private or last.private
    )
