"""Lets one process at a time prepare the model; the others wait, then find it ready."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.tools.errors import StackError
from stack.tools.progress import Progress
from stack.tools.user import hand_over

POLL = 0.2  # seconds

if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def exclusive(file: Path, progress: Progress, limit: float = 1800) -> Iterator[None]:
    """Hold the lock for as long as the block runs; the system takes it back however the process ends.

    Args:
        limit: seconds to wait for another holder.

    Raises:
        StackError: ``model-busy``, the other one did not end in time.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        hand_over(file)
        deadline = time.monotonic() + limit
        while not _try_lock(handle):
            if time.monotonic() > deadline:
                raise StackError(
                    "Another process has been preparing the embedded model for too long.",
                    fix=f"See what holds {file} (for instance with lsof), end it, then run this again.",
                    cause="model-busy",
                )
            progress("Waiting for another process that prepares the model")
            time.sleep(POLL)
        yield
    finally:
        os.close(handle)
