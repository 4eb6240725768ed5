"""A token that came through a front end is one that the model gave: it is asked itself only where none comes so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from stack.probes.report import Outcome

Ask = Callable[[], Awaitable[Outcome]]

BEGIN_SECONDS = 0.1  # for the front ends' questions to be on their way
PATIENCE_SECONDS = 5.0  # then the model is asked beside them


class FirstAnswer:
    """Waits for whichever front end is the first to bring an answer."""

    def __init__(self) -> None:
        self._asked = 0
        self._came: tuple[str, Outcome] | None = None
        self._changed = asyncio.Event()

    async def through(self, service: str, ask: Ask) -> Outcome:
        """Ask that front end, and see whether text comes."""
        self._asked += 1
        self._changed.set()
        try:
            outcome = await ask()
            if outcome.speed and self._came is None:
                self._came = service, outcome
            return outcome
        finally:
            self._asked -= 1
            self._changed.set()

    async def came(self) -> tuple[str, Outcome] | None:
        """The front end and what came through it; None where nothing did, or none is asked."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BEGIN_SECONDS):
                await self._changed.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self._came is None and self._asked:
                    self._changed.clear()
                    await self._changed.wait()
        return self._came
