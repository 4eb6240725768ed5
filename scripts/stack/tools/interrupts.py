"""Ctrl-C, SIGTERM, a closed terminal: no traceback, one clean-up that a second can't spoil. Standard library only.

Three times in a script's life: between two programs they are held back (`hold_back`), while it loads it just ends
(`end_at_once`), and at work they are raised (`raised`), so that what was begun is cleaned up.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | None

_HANG_UP = getattr(signal, "SIGHUP", None)  # not on Windows
NUMBERS = (signal.SIGINT, signal.SIGTERM, *([_HANG_UP] if _HANG_UP else []))
_HAVE_MASKS = hasattr(signal, "pthread_sigmask")  # not on Windows


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: cleaned up after like Ctrl-C."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.number = number


_late: list[int] | None = None  # what came while `deferred`


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """What shells report for it: 130, 143 or 129."""
    return 128 + (interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT)


def as_exception(number: int) -> KeyboardInterrupt:
    """What a signal is raised as."""
    return KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)


def hold_back() -> None:
    """Let interrupts wait, over an `exec` too, until `end_at_once`: a starting Python shows them as tracebacks."""
    if _HAVE_MASKS:
        signal.pthread_sigmask(signal.SIG_BLOCK, NUMBERS)


def end_at_once() -> None:
    """From now on an interrupt ends the process, with the exit code for it and not a word; nothing is begun yet.

    And when all is done, none changes the exit code any more.
    """

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(128 + number)

    _handle_by(end)
    atexit.register(_handle_by, signal.SIG_IGN)
    if _HAVE_MASKS:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, NUMBERS)


@contextmanager
def handled_by(handler: Handler) -> Iterator[None]:
    """While the block runs, the handler gets them; not those we were told to ignore (`nohup`, a background job)."""
    before = _handle_by(handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def raised() -> AbstractContextManager[None]:
    """While the block runs, an interrupt raises KeyboardInterrupt or Terminated; but not in the clean-up after one."""
    return handled_by(_raise)


@contextmanager
def deferred() -> Iterator[None]:
    """An interrupt that comes while the block runs is raised at its end: for what must not be left in the middle."""
    global _late  # noqa: PLW0603  (signal handlers are the process's own, and so is this)
    _late = []
    try:
        yield
    finally:
        late, _late = _late, None
        if late:
            _raise(late[0], None)


def _raise(number: int, frame: FrameType | None) -> None:
    if number == _HANG_UP:
        _be_quiet_where_nobody_reads()
    if _late is not None:
        _late.append(number)
    elif not _is_cleaning_up():
        raise as_exception(number)


def _be_quiet_where_nobody_reads() -> None:
    """A terminal that is gone refuses what is printed, and the clean-up would end with its first word."""
    for output in (1, 2):
        try:
            os.write(output, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, output)
            os.close(nowhere)


def _is_cleaning_up() -> bool:
    """Whether an except or finally block is at work because of an earlier interrupt."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _handle_by(handler: Handler) -> Mapping[signal.Signals, Handler]:
    before = {number: signal.getsignal(number) for number in NUMBERS}
    heard = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    for number in heard:
        signal.signal(number, handler)
    return heard
