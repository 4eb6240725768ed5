"""Who else is served while we wait, as the relay tells it: slow because of others is told from slow for no such reason.

Our own questions don't count as others, although they run side by side: how many there are, and how many of them have
had text, is known here. What can't be told apart is taken for ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import httpx

from stack.probes.report import Outcome, Speed, Status, degraded, ok
from stack.tools import under_way

SLOW_SECONDS = 10.0  # to the first text: works, but nobody likes to wait that long
LOOK_SECONDS = 6.0
LOOK_AGAIN_SECONDS = 1.0
LATELY_SECONDS = 5.0
QUICK_SECONDS = 2.0  # an answer that comes sooner is not worth a look


@dataclass(frozen=True)
class Look:
    """What the relay told.

    Args:
        when: on `time.monotonic`'s clock.
        others: answers under way that are not ours.
        served_at: when one of them got text last, on the same clock; None: none that is under way has had any.
    """

    when: float
    others: int
    served_at: float | None


class Crowd:
    """All who have the model answer.

    Args:
        door: the address where the relay is asked, directly or through the gateway.
    """

    def __init__(self, http: httpx.AsyncClient, door: Callable[[], str]) -> None:
        self._http = http
        self._door = door
        self._ours: set[Asking] = set()
        self._looks: list[Look] = []
        self._watch: asyncio.Task[None] | None = None

    async def look(self) -> Look | None:
        """One look; None where no relay answers."""
        try:
            answer = await self._http.get(f"{self._door()}/status", timeout=LOOK_SECONDS)
        except httpx.HTTPError:
            return None
        told = under_way.heard(answer.headers)
        if told is None:
            return None
        now, (count, silent) = time.monotonic(), told
        theirs = silent[sum(each.has_text for each in self._ours) :]  # ours are taken for the freshest
        ours = sum(not each.in_line for each in self._ours)
        return Look(now, max(0, count - ours), now - theirs[0] if theirs else None)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Asking]:
        """We have a question under way."""
        mine = Asking(self)
        self._ours.add(mine)
        if self._watch is None:
            self._watch = asyncio.create_task(self._keep_looking())
        try:
            yield mine
        finally:
            self._ours.discard(mine)
            if not self._ours and self._watch:
                self._watch.cancel()
                self._watch = None
                self._looks.clear()

    async def judge(self, outcome: Outcome, since: float, until: float | None = None) -> Outcome:
        """The outcome, or `busy` where others are the reason.

        Args:
            outcome: slow, or without an answer in time.
            since: when it was asked, on `time.monotonic`'s clock.
            until: when its first text came, where one came.
        """
        if outcome.cause == "slow-first-token":
            looks = [each for each in self._looks if since <= each.when <= (until or time.monotonic())]
            among = [each.others for each in looks if each.others]
            if among and 2 * len(among) >= len(looks):
                said = f"while up to {max(among)} others were answered"
                return replace(outcome, cause="busy", evidence=f"{outcome.evidence}, {said}")
        if outcome.cause == "foundry-hangs" and await self.were_served(since):
            return degraded("busy", f"{outcome.evidence}, while others got text of theirs")
        return outcome

    async def were_served(self, since: float) -> bool:
        """Whether others got text in the second half of the time from then to now: it may hang since the first one."""
        half = (since + time.monotonic()) / 2
        latest = await self.look()
        looks = [*self._looks, latest] if latest else self._looks
        return any(each.served_at is not None and each.served_at > half for each in looks)

    async def are_served(self, within: float) -> bool:
        """Whether others have got text in the last so many seconds."""
        return await self.were_served(time.monotonic() - 2 * within)

    async def _keep_looking(self) -> None:
        await asyncio.sleep(QUICK_SECONDS)
        while True:
            if look := await self.look():
                self._looks.append(look)
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


@dataclass(eq=False)
class Asking:
    """A question of ours that is under way.

    Attributes:
        has_text: text of its answer has come.
        in_line: a page holds it back until others are answered, so that it is not under way.
    """

    crowd: Crowd
    since: float = field(default_factory=time.monotonic)
    has_text: bool = False
    in_line: bool = False

    def text_came(self) -> None:
        """Say so."""
        self.has_text = True

    def stands_in_line(self, does: bool) -> None:
        """Say so, and when it does no more."""
        self.in_line = does

    async def judge(self, outcome: Outcome) -> Outcome:
        """See `Crowd.judge`."""
        first = outcome.speed.first_text_seconds if outcome.speed else None
        return await self.crowd.judge(outcome, self.since, None if first is None else self.since + first)

    async def others_were_served(self) -> bool:
        """See `Crowd.were_served`."""
        return await self.crowd.were_served(self.since)


def came(evidence: str, speed: Speed) -> Outcome:
    """An answer came, in time or slowly."""
    if speed.first_text_seconds > SLOW_SECONDS:
        return Outcome(Status.DEGRADED, "slow-first-token", evidence, speed=speed)
    return ok(evidence, speed)
