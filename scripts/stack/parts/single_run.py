"""One `up` or `down` at a time for a project: the second says so at once instead of undoing the first one's work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.parts.state import private_folder
from stack.settings import Settings
from stack.tools.errors import StackError
from stack.tools.user import hand_over

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone(settings: Settings, what: str = "up or down") -> Iterator[None]:
    """Hold the project's lock for as long as the block runs; the system gives it back however this process ends.

    Args:
        what: names the lock; work under another name may run beside it.

    Raises:
        StackError: ``already-running`` with the other one's pid, or ``state-not-permitted``; exit code 2.
    """
    file: Path = settings.state / f"{what.replace(' ', '-')}.lock"
    handle = _open(file)
    if fcntl is None:
        os.close(handle)
        yield
        return
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            owner = file.read_text().strip() or "unknown"
            raise StackError(
                f"Another `{what}` of this stack is at work (pid {owner}).",
                fix="Wait until it has ended, then run this again.",
                cause="already-running",
                exit_code=2,
            ) from held
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _open(file: Path) -> int:
    """Open the lock file; it and its folder are made where they are missing, for the user behind `sudo` too."""
    try:
        private_folder(file.parent)
        handle = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        hand_over(file)
    except PermissionError as denied:
        raise StackError(
            f"You may not write to {file.parent}: it belongs to another user, who started the stack from here.",
            fix="Run the command as that user, or with sudo; or choose a folder of your own: STATE_DIR in .env.",
            cause="state-not-permitted",
            exit_code=2,
        ) from denied
    return handle
