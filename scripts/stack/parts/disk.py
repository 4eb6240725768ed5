"""Looks at the free room before anything is written, so that a full disk is told before it happens."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from stack.tools.errors import StackError

MB = 1_000_000
SLACK = 100 * MB


STATE_DIR = "set STATE_DIR in .env to a folder on a larger disk"


def require_room(needs: Mapping[Path, int], what: str, otherwise: str = STATE_DIR) -> None:
    """Do nothing where the disks have room for all that is to be written, and some slack.

    Args:
        needs: bytes by folder; folders on the same disk add up. A folder need not exist yet; one that can't be on this
            machine (Docker Desktop keeps its images elsewhere) is left out.
        what: what is to be written, for the message.
        otherwise: what helps where no room can be made there.

    Raises:
        StackError: ``disk-full``, with the folder, what is needed there and what is free; exit code 2.
    """
    by_disk: dict[int, list[Path]] = {}
    for folder in needs:
        if (existing := _nearest_existing(folder)) is not None:
            by_disk.setdefault(existing.stat().st_dev, []).append(folder)
    for folders in by_disk.values():
        needed = sum(needs[folder] for folder in folders) + SLACK
        free = shutil.disk_usage(_nearest_existing(folders[0]) or folders[0]).free
        if free < needed:
            raise disk_full(folders[0], needed, free, what, otherwise)


def disk_full(folder: Path, needed: int, free: int, what: str, otherwise: str = STATE_DIR) -> StackError:
    """The error for a disk that is, or has become, too full."""
    return StackError(
        f"Too little room on the disk: {what} needs {_in_mb(needed)} in {folder}, and {_in_mb(free)} are free there.",
        fix=f"Make room there (`docker system df` shows what Docker holds), or {otherwise}.",
        cause="disk-full",
        exit_code=2,
    )


def _in_mb(size: int) -> str:
    return f"{size / MB:,.0f} MB"


def _nearest_existing(path: Path) -> Path | None:
    """The folder, or the one it will be made in; None where this machine has no such place."""
    try:
        return next((folder for folder in (path, *path.parents) if folder.is_dir()), None)
    except PermissionError:
        return None
