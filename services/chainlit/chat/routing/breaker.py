"""Who fails is left alone for a while: nobody waits again and again for the same failure, and it can recover."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Literal

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Of one provider.

    Args:
        failures: so many in a row, and it rests.
        rest_seconds: for so long; then one question tries it.
        clock: in seconds.
    """

    def __init__(
        self, failures: int = 3, rest_seconds: float = 60.0, clock: Callable[[], float] = monotonic
    ) -> None:
        raise NotImplementedError

    @property
    def state(self) -> State:
        """`closed`: it is asked; `open`: it rests; `half-open`: the next question tries it."""
        raise NotImplementedError

    def failed(self, rest_seconds: float | None = None) -> None:
        """It gave no answer.

        Args:
            rest_seconds: what it asked for itself (Retry-After).
        """
        raise NotImplementedError

    def worked(self) -> None:
        """It gave one."""
        raise NotImplementedError
