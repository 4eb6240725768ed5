"""Who fails is left alone for a while: nobody waits again and again for the same failure, and it can recover."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic
from typing import Literal

State = Literal["closed", "open", "half-open"]
STATES: tuple[State, ...] = ("closed", "open", "half-open")

FAILURES = 3
REST_SECONDS = 60.0
AT_ONCE_SECONDS = 30.0  # who asks to be left alone for less has a moment's trouble, as at the gateway's limit
LONGEST_REST_SECONDS = 600.0  # whatever it asks for itself


class Breaker:
    """Of one provider.

    Args:
        failures: so many in a row, and it rests.
        rest_seconds: for so long; then one question tries it, and it rests anew if that fails.
        clock: in seconds.
    """

    def __init__(
        self, failures: int = FAILURES, rest_seconds: float = REST_SECONDS, clock: Callable[[], float] = monotonic
    ) -> None:
        self._most = failures
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._failures = 0
        self._rests_until = -math.inf
        self._trial_until = -math.inf

    @property
    def state(self) -> State:
        """`closed`: it is asked; `open`: it rests; `half-open`: the next question tries it."""
        if self._failures < self._most:
            return "closed"
        return "open" if self._clock() < max(self._rests_until, self._trial_until) else "half-open"

    @property
    def rests(self) -> bool:
        """Whether it is to be left alone."""
        return self.state == "open"

    def asked(self) -> None:
        """A question is on its way to it. While one tries it, the others leave it alone, but not for ever."""
        if self.state == "half-open":
            self._trial_until = self._clock() + self._rest_seconds

    def failed(self, rest_seconds: float | None = None) -> None:
        """It gave no answer.

        Args:
            rest_seconds: what it asked for itself (Retry-After): where that is long, it rests at once, for so long.
        """
        asks_for = min(rest_seconds or 0.0, LONGEST_REST_SECONDS)
        at_once = asks_for >= AT_ONCE_SECONDS
        self._failures = self._most if at_once else self._failures + 1
        if self._failures >= self._most:
            rest = asks_for if at_once else self._rest_seconds
            self._rests_until, self._trial_until = self._clock() + rest, -math.inf

    def worked(self) -> None:
        """It gave one."""
        self._failures, self._rests_until, self._trial_until = 0, -math.inf, -math.inf
