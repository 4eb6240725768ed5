"""Looks at the free space before anything is written, so that a full disk is told before it happens."""

from __future__ import annotations

import shutil
from pathlib import Path

from stack.parts.model.identity import MB
from stack.tools.errors import StackError

SLACK = 100 * MB


def require_space(folder: Path, needed: int, what: str) -> None:
    """Do nothing where ``needed`` bytes and some slack are free on the disk that holds ``folder``.

    Args:
        folder: need not exist yet.
        what: what is to be written, for the message.

    Raises:
        StackError: ``disk-too-small``, with how much is needed, where, and how much is free.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed + SLACK:
        raise too_small(folder, needed + SLACK, free, what)


def too_small(folder: Path, needed: int, free: int, what: str) -> StackError:
    """The error for a disk that is, or has become, too full."""
    return StackError(
        f"Not enough disk space: {what} needs {_in_mb(needed)} in {folder}, and {_in_mb(free)} are free there.",
        fix="Free some space there, or set STATE_DIR to a folder on a larger disk.",
        cause="disk-too-small",
    )


def _in_mb(size: int) -> str:
    return f"{size / MB:,.0f} MB"
