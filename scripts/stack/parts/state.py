"""What the stack remembers about its daemons (small private files), and whether such a daemon still lives."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from stack.tools.errors import StackError
from stack.tools.user import hand_over

KILL_SECONDS = 10.0
POLL_SECONDS = 0.05
CLOCK_STEP = 2.0  # seconds; the wall clock, and every start time with it, may be corrected while a daemon runs


def private_folder(path: Path) -> None:
    """Make the folder with mode 0700, owned by the user behind `sudo` where there is one."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        hand_over(folder)
    if os.geteuid() in (0, path.stat().st_uid):
        path.chmod(0o700)
        hand_over(path)


def write_text(path: Path, text: str) -> None:
    """Replace the file in one step, so that a reader sees the old or the new text whole; mode 0600."""
    private_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:  # mkstemp made it 0600
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        hand_over(draft)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Like `write_text`, for a JSON object."""
    write_text(path, json.dumps(data, indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in the file; None where there is no file or no such object in it.

    Raises:
        StackError: ``state-not-permitted``, the file is another user's; exit code 2.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    except PermissionError as denied:
        raise StackError(
            f"You may not read {path}: the stack was started by another user.",
            fix="Run the command as that user, or with sudo.",
            cause="state-not-permitted",
            exit_code=2,
        ) from denied
    return data if isinstance(data, dict) else None


def process_started(pid: int) -> float:
    """When the process started, in seconds since 1970: with the pid it names a process for good.

    Raises:
        psutil.NoSuchProcess: there is none.
    """
    return psutil.Process(pid).create_time()


def is_alive(pid: int, started: float) -> bool:
    """Whether the process that had this pid at that start time still runs; a later owner of the pid does not count."""
    return _find(pid, started) is not None


def stop_process(pid: int, started: float, grace_seconds: float) -> bool:
    """End this very process: SIGTERM, and SIGKILL when it still runs after ``grace_seconds``; waits until it is gone.

    Returns:
        Whether there was something to stop.
    """
    process = _find(pid, started)
    if process is None:
        return False
    with suppress(psutil.NoSuchProcess):
        process.terminate()
    if not _ends_within(process, grace_seconds):
        with suppress(psutil.NoSuchProcess):
            process.kill()
        _ends_within(process, KILL_SECONDS)
    return True


def _ends_within(process: psutil.Process, seconds: float) -> bool:
    """Wait for its end. A zombie has ended: who started it (a test run, say) need not have looked after it yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(psutil.TimeoutExpired):
            process.wait(timeout=POLL_SECONDS)
            return True
        with suppress(psutil.NoSuchProcess):
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
    return False


def _find(pid: int, started: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > CLOCK_STEP or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    return process
