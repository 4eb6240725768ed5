"""Whose machine it is: the person who typed the command, also when they typed it with sudo."""

from __future__ import annotations

import os
from pathlib import Path


def run_as() -> tuple[int | None, int | None]:
    """The uid and gid daemons are to run as: those of the user behind `sudo`, else (None, None), the present user."""
    if os.geteuid() != 0:
        return None, None
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if not (uid.isdecimal() and gid.isdecimal()) or int(uid) == 0:
        return None, None
    return int(uid), int(gid)


def hand_over(path: Path) -> None:
    """Make ``path`` belong to the user behind `sudo`; without one nothing changes."""
    uid, gid = run_as()
    if uid is not None and gid is not None:
        os.chown(path, uid, gid)
