"""Doing what only root may do. Standard library only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from stack.tools import consent
from stack.tools.errors import StackError
from stack.tools.process import run

HANDED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "APT_CONFIG")
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def is_root() -> bool:
    """Whether this process may do everything; never so on Windows."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def may_become_root() -> bool:
    """Whether `as_root` may work: root already, or sudo without a password, or sudo and a terminal to ask on."""
    if is_root():
        return True
    if shutil.which("sudo") is None:
        return False
    return sys.stdin.isatty() or run(["sudo", "-n", "true"]).code == 0


def as_root(argv: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
    """The command line that runs ``argv`` as root, with ``env`` and what is `HANDED_ON` (sudo drops the rest).

    Raises:
        StackError: ``root-needed``; neither root nor a usable sudo. The message holds the command to run.
    """
    variables = {name: os.environ[name] for name in HANDED_ON if name in os.environ} | dict(env or {})
    command = ["env", *(f"{name}={value}" for name, value in variables.items()), *argv] if variables else list(argv)
    if is_root():
        return command
    if not _sudo_is_open():
        raise StackError(
            "This needs root, and you can't use sudo here.",
            fix=f"Have root run: {' '.join(argv)}",
            cause="root-needed",
            exit_code=2,
        )
    return ["sudo", "-n", *command]


def _sudo_is_open() -> bool:
    """Whether sudo works without a question now; on a terminal it asks for the password here, and not in mid-work."""
    if shutil.which("sudo") is None:
        return False
    if run(["sudo", "-n", "true"]).code == 0:
        return True
    if not sys.stdin.isatty():
        return False
    with consent.quiet_display():
        return run(["sudo", "-v"]).code == 0


def find_program(name: str) -> str | None:
    """Where a program is, looked up as root would: a plain user's PATH often lacks the folders of dockerd."""
    return shutil.which(name, path=SYSTEM_PATH)
