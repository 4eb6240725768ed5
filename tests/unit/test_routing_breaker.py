"""Who fails is left alone for a while, and tried again by one question."""

from __future__ import annotations

import pytest

from chat.routing.breaker import LONGEST_REST_SECONDS, Breaker


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, rest_seconds=60, clock=clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_it_rests_after_so_many_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.state == "closed"
    breaker.worked()
    fail(breaker, 2)
    assert breaker.state == "closed", "not in a row"
    breaker.failed()
    assert breaker.state == "open"
    assert breaker.rests


def test_after_its_rest_one_question_tries_it_and_the_others_wait(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 59
    assert breaker.state == "open"
    clock.now += 1
    assert breaker.state == "half-open"
    assert not breaker.rests
    breaker.asked()
    assert breaker.state == "open", "somebody tries it already"
    breaker.worked()
    assert breaker.state == "closed"


def test_a_trial_that_fails_is_a_new_rest(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 60
    breaker.asked()
    breaker.failed()
    clock.now += 59
    assert breaker.state == "open"
    clock.now += 1
    assert breaker.state == "half-open"


def test_a_trial_that_nobody_ended_does_not_keep_it_resting_for_ever(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 60
    breaker.asked()
    clock.now += 60
    assert breaker.state == "half-open"


def test_who_asks_to_be_left_alone_is_so_at_once_and_as_long_as_he_says(breaker: Breaker, clock: Clock) -> None:
    breaker.failed(rest_seconds=120)
    clock.now += 119
    assert breaker.state == "open"
    clock.now += 1
    assert breaker.state == "half-open"


def test_who_asks_for_a_moment_only_is_not_left_alone_for_it(breaker: Breaker) -> None:
    """As the gateway does with each refusal, its own limit included."""
    for _ in range(2):
        breaker.failed(rest_seconds=5)
    assert breaker.state == "closed"
    breaker.failed(rest_seconds=5)
    assert breaker.state == "open"


def test_who_asks_for_half_a_minute_gets_that_and_no_more(breaker: Breaker, clock: Clock) -> None:
    breaker.failed(rest_seconds=30)
    clock.now += 30
    assert breaker.state == "half-open"


def test_nobody_rests_for_longer_than_is_sensible(breaker: Breaker, clock: Clock) -> None:
    breaker.failed(rest_seconds=10**9)
    clock.now += LONGEST_REST_SECONDS
    assert breaker.state == "half-open"
