"""One run for all who ask at the same time, and none before the last one is old enough."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from monitor import clock

Result = TypeVar("Result")


class SharedRun(Generic[Result]):
    """Work whose result is shared until it is older than ``interval`` seconds.

    Nobody asks, nothing runs; a run that was begun goes on when those who waited for it have left.
    """

    def __init__(
        self, work: Callable[[], Awaitable[Result]], interval: float, now: Callable[[], float] = clock.now
    ) -> None:
        self._work = work
        self._interval = interval
        self._now = now
        self._running: asyncio.Task[Result] | None = None
        self._ended = 0.0
        self.last: Result | None = None
        """The result of the last run that came to an end."""

    @property
    def age(self) -> float:
        """Seconds since the last run's end; of no meaning before there was one."""
        return self._now() - self._ended

    async def result(self) -> Result:
        """The last result while it is young, else that of the run under way, which is begun where there is none."""
        running = self.begin_if_due()
        if running is None:
            assert self.last is not None  # noqa: S101  (else a run would be due)
            return self.last
        return await asyncio.shield(running)

    def begin_if_due(self) -> asyncio.Task[Result] | None:
        """The run under way, or one that begins now if it is time for one; None while the last result is young."""
        if self._running is None and (self.last is None or self.age >= self._interval):
            self._running = asyncio.create_task(self._run())
            self._running.add_done_callback(_seen)
        return self._running

    async def stop(self) -> None:
        """Cancel the run under way and wait until it has cleaned up."""
        if self._running:
            self._running.cancel()
            await asyncio.wait([self._running])

    async def _run(self) -> Result:
        try:
            self.last = await self._work()
            self._ended = self._now()
            return self.last
        finally:
            self._running = None


def _seen(run: asyncio.Task[Result]) -> None:
    """A failure belongs to those who wait for the run; where nobody does any more, it is no news."""
    if not run.cancelled():
        run.exception()
