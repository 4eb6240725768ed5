"""Ask again what failed in passing: for a few seconds, and only as long as the user has seen nothing of an answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import openai
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from chat.problems import Problem

PATIENCE_SECONDS = 8.0  # the gateway says "in 5 seconds" where nobody answers behind it
TRIES = 4  # where nobody says when to come again, within about 2 seconds
BACK_OFF = wait_exponential_jitter(multiplier=0.25, max=2, jitter=0.25)

Result = TypeVar("Result")

log = logging.getLogger("chat")


async def patiently(ask: Callable[[], Awaitable[Result]]) -> Result:
    """What ``ask`` brings; it is called again where nobody listened, or a 503 said when to come again.

    Being cancelled ends the waiting, too.
    """
    retrying = AsyncRetrying(
        retry=retry_if_exception(passes),
        wait=_pause,
        stop=stop_after_attempt(TRIES) | stop_before_delay(PATIENCE_SECONDS),
        before_sleep=_note,
        reraise=True,
    )
    return await retrying(ask)


def passes(error: BaseException) -> bool:
    """Whether it may be over in a moment: refused, cut before the first word, or busy and saying for how long."""
    if not isinstance(error, Problem):
        return False
    return error.cause in ("connection-refused", "stream-cut") or _asked_to_wait(error) is not None


def _asked_to_wait(problem: Problem) -> float | None:
    error = problem.__cause__
    if not isinstance(error, openai.APIStatusError) or error.status_code != 503:
        return None
    seconds = error.response.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else None


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = _asked_to_wait(error) if isinstance(error, Problem) else None
    return BACK_OFF(state) if asked is None else asked


def _note(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("%s: asking again in %.1f s", getattr(error, "cause", "unknown"), state.upcoming_sleep)
