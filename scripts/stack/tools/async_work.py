"""Asynchronous work in a command: an interrupt cancels it, in order, instead of striking in the midst of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from stack.tools import interrupts

Result = TypeVar("Result")


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Like `asyncio.run`; after an interrupt it raises KeyboardInterrupt or Terminated once all tasks have ended."""
    came: list[int] = []
    cancel: list[Callable[[], object]] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) == 1:
            for each in cancel:
                each()

    async def cancellable() -> Result:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101  (this is one)
        if came:
            work.close()
            raise asyncio.CancelledError
        cancel.append(lambda: loop.call_soon_threadsafe(task.cancel))
        try:
            return await work
        finally:
            cancel.clear()

    with interrupts.handled_by(on_signal):
        try:
            result = asyncio.run(cancellable())
        except asyncio.CancelledError:
            if not came:
                raise
    if came:
        raise interrupts.as_exception(came[0])
    return result
