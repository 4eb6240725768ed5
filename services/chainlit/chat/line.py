"""The line: so many answers are made at once, and who asks besides waits for a turn, first come, first served.

The model serves all at once, but each the slower; see ANSWERS_AT_ONCE in `.env.example`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from chat.problems import too_many
from chat.settings import Settings

PLACES_FOR_CHECKS = 2
"""In the line, for the probe and the monitor alone: a full line refuses no check, and a check takes no user's place."""

Told = Callable[[int, int], Awaitable[None]]
"""Called with how many are waiting before, and how many are being answered, whenever that changes."""


@dataclass(eq=False)
class _Waiting:
    task: asyncio.Task[object] | None
    is_check: bool
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    has_turn: bool = False


class Line:
    """One for all who ask."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self.answered = 0
        """How many are being answered."""

    @property
    def length(self) -> int:
        """How many are waiting."""
        return len(self._waiting)

    def waits(self, task: asyncio.Task[object]) -> bool:
        """Whether the task stands in the line."""
        return any(each.task is task for each in self._waiting)

    @asynccontextmanager
    async def turn(self, told: Told, knobs: Settings, *, is_check: bool = False) -> AsyncIterator[float]:
        """Wait for a turn and have it for as long as the block lasts. Who is cancelled has left the line.

        Args:
            told: see `Told`; not called where there is nothing to wait for.
            knobs: how many answers are made at the same time, and how many may wait.
            is_check: the question of the probe or the monitor; see `PLACES_FOR_CHECKS`.

        Yields:
            How many seconds it took.

        Raises:
            Problem: ``busy``: the line takes no more.
        """
        begun = monotonic()
        if self.answered < knobs.answers_at_once:
            self.answered += 1
        else:
            await self._wait(told, PLACES_FOR_CHECKS if is_check else knobs.line_length, is_check)
        try:
            yield monotonic() - begun
        finally:
            self._pass_on()

    async def _wait(self, told: Told, most: int, is_check: bool) -> None:
        if sum(each.is_check is is_check for each in self._waiting) >= most:
            raise too_many(self.answered + self.length)
        mine = _Waiting(asyncio.current_task(), is_check)
        self._waiting.append(mine)
        try:
            while not mine.has_turn:
                mine.moved.clear()
                await told(self._waiting.index(mine), self.answered)
                await mine.moved.wait()
        except BaseException:
            if mine.has_turn:  # it came at the very moment
                self._pass_on()
            else:
                behind = self._waiting.index(mine) + 1
                self._say_so(self._waiting[behind:])
                self._waiting.remove(mine)
            raise

    def _pass_on(self) -> None:
        """A turn is over: it is the next one's, at once, so that nobody who comes just now gets before."""
        if not self._waiting:
            self.answered -= 1
            return
        first = self._waiting.pop(0)
        first.has_turn = True
        self._say_so([first, *self._waiting])

    @staticmethod
    def _say_so(to: list[_Waiting]) -> None:
        for each in to:
            each.moved.set()


EVERYBODYS = Line()
"""The line of this process."""
