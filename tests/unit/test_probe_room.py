"""Whether a page can store something, as it is seen from inside its container."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import pytest

from stack.probes import room
from stack.probes.surroundings import CHAINLIT

PLENTY = "4096 1000000 900000 10000 9000\n"


class Running:
    """A container whose programs print these, one after the other."""

    def __init__(self, *printed: tuple[int, str]) -> None:
        self.printed = list(printed)

    async def in_container(self, _container: Any, _argv: list[str]) -> tuple[int, str]:
        return self.printed.pop(0)


class Container:
    name = "foundry-stack-chainlit-1"
    attrs: ClassVar[dict[str, Any]] = {"Config": {"User": "10001", "Image": "chainlit"}}


@pytest.mark.parametrize(
    ("printed", "status"),
    [
        ([(0, PLENTY)], "ok"),
        ([(0, "")], "failed"),
        ([(1, "")], "failed"),
        ([(0, PLENTY + "/data\n")], "failed"),
    ],
)
async def test_room_is_what_the_container_says(printed: list[tuple[int, str]], status: str) -> None:
    running = Running(*printed)
    outcome = await room.volume_can_be_written(cast(Any, running), cast(Any, Container()), CHAINLIT)
    assert (outcome.status, running.printed) == (status, [])
