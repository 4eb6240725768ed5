"""Doing what only root may do. Standard library only."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from stack.tools.errors import StackError
from stack.tools.process import run

HANDED_ON = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def is_root() -> bool:
    """Whether this process may do everything; never so on Windows."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def may_become_root() -> bool:
    """Whether `as_root` would work: root already, or sudo without a password, or sudo and a terminal to ask on."""
    if is_root():
        return True
    if shutil.which("sudo") is None:
        return False
    return sys.stdin.isatty() or run(["sudo", "-n", "true"]).code == 0


def as_root(argv: Sequence[str], env: Mapping[str, str] | None = None) -> list[str]:
    """The command line that runs ``argv`` as root, with ``env`` and the proxy settings (sudo drops those by itself).

    Raises:
        StackError: ``root-needed``; neither root nor a usable sudo. The message holds the command to run.
    """
    variables = {name: os.environ[name] for name in HANDED_ON if name in os.environ} | dict(env or {})
    command = ["env", *(f"{name}={value}" for name, value in variables.items()), *argv] if variables else list(argv)
    if is_root():
        return command
    if not may_become_root():
        raise StackError(
            "This needs root, and you can't use sudo here.",
            fix=f"Have root run: {' '.join(argv)}",
            cause="root-needed",
            exit_code=2,
        )
    return ["sudo", *([] if sys.stdin.isatty() else ["-n"]), *command]


def find_program(name: str) -> str | None:
    """Where a program is, looked up as root would: a plain user's PATH often lacks the folders of dockerd."""
    return shutil.which(name, path=SYSTEM_PATH)
