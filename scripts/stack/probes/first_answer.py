"""A token that came through a front end is one that the model gave: it is asked itself only where that is in doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from stack.probes.report import Outcome

Ask = Callable[[], Awaitable[Outcome]]

BEGIN_SECONDS = 0.1  # for the front ends' questions to be on their way
PATIENCE_SECONDS = 5.0  # then the model is asked beside them
IN_DOUBT = (
    "stream-cut",
    "stream-error-event",
    "empty-answer",
    "unknown",
)  # what one page may overlook


class FirstAnswer:
    """Waits for whichever front end is the first to bring an answer."""

    def __init__(self) -> None:
        self._asked = 0
        self._came: tuple[str, Outcome] | None = None
        self._in_doubt = False
        self._changed = asyncio.Event()

    async def through(self, service: str, ask: Ask) -> Outcome:
        """Ask that front end, and see whether text comes."""
        self._asked += 1
        self._changed.set()
        try:
            outcome = await ask()
            self._in_doubt = self._in_doubt or outcome.cause in IN_DOUBT
            if outcome.speed and self._came is None:
                self._came = service, outcome
            return outcome
        finally:
            self._asked -= 1
            self._changed.set()

    async def came(self) -> tuple[str, Outcome] | None:
        """The front end and what came through it; None where nothing did, or another one saw that go wrong."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_SECONDS):
                await self._changed.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self._asked and not self._in_doubt:
                    self._changed.clear()
                    await self._changed.wait()
        return None if self._in_doubt else self._came
