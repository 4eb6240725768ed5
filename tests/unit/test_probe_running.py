"""Looks into containers, as the probe makes them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from stack.probes.running import Running


class Container:
    """One whose programs end so, one after the other."""

    def __init__(self, *ends: tuple[int, bytes]) -> None:
        self.ends = list(ends)

    def exec_run(self, _argv: list[str]) -> tuple[int, bytes]:
        return self.ends.pop(0)


@pytest.mark.parametrize(
    ("ends", "seen"),
    [
        ([(0, b"said")], (0, "said")),
        ([(0, b""), (0, b"said")], (0, "said")),
        ([(0, b""), (0, b"")], (0, "")),
        ([(1, b"")], (1, "")),
    ],
)
async def test_what_the_engine_loses_is_asked_again_once(ends: list[tuple[int, bytes]], seen: tuple[int, str]) -> None:
    container = Container(*ends)
    running = object.__new__(Running)
    assert await running.in_container(cast(Any, container), ["program"]) == seen
    assert container.ends == []
