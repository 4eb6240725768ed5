"""Many who want to know the same in the same moment ask once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Found = TypeVar("Found")


class Shared(Generic[Found]):
    """Looks for something, which several may wait for; what was found is not kept."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Future[Found]] = {}

    async def look(self, what: Hashable, how: Callable[[], Awaitable[Found]]) -> Found:
        """What is found; or the error, for all who wait for it. Who is cancelled leaves the others waiting."""
        under_way = self._under_way.get(what)
        if under_way is None:
            under_way = self._under_way[what] = asyncio.ensure_future(how())
            under_way.add_done_callback(lambda _: self._under_way.pop(what))
        return await asyncio.shield(under_way)
