"""Many who want to know the same in the same moment ask once; what was found is not kept."""

from __future__ import annotations

import asyncio

import pytest

from chat.shared import Shared


class Looking:
    """Looks until told what is there."""

    def __init__(self) -> None:
        self.count = 0
        self.found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> str:
        self.count += 1
        return await self.found


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_get_what_one_look_found() -> None:
    shared, looking = Shared[str](), Looking()
    waiting = [asyncio.create_task(shared.look("a", looking)) for _ in range(20)]
    await settle()
    waiting[0].cancel()  # even the one who asked first
    await settle()
    looking.found.set_result("phi")
    assert await asyncio.gather(*waiting[1:]) == ["phi"] * 19
    assert looking.count == 1


async def test_who_comes_later_looks_again_and_other_things_are_other_looks() -> None:
    shared, looking = Shared[str](), Looking()
    looking.found.set_result("phi")
    await shared.look("a", looking)
    await settle()
    await asyncio.gather(shared.look("a", looking), shared.look("b", looking))
    assert looking.count == 3


async def test_an_error_is_everybodys_and_forgotten_too() -> None:
    shared, looking = Shared[str](), Looking()
    waiting = [asyncio.create_task(shared.look("a", looking)) for _ in range(2)]
    await settle()
    looking.found.set_exception(ValueError("gone"))
    assert [str(each) for each in await asyncio.gather(*waiting, return_exceptions=True)] == ["gone", "gone"]
    with pytest.raises(ValueError, match="gone"):
        await shared.look("a", looking)
    assert looking.count == 2
