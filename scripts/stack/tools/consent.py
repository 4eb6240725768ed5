"""Asking before something is installed or lost. Standard library only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from stack.tools.errors import StackError

# What keeps a live display still while a question stands on the terminal; set by whoever shows one.
quiet_display: Callable[[], AbstractContextManager[None]] = nullcontext


def agree(question: str, *, assume_yes: bool) -> bool:
    """Whether the user agrees: asked on a terminal; without one, ``CI=true`` is a yes.

    Args:
        assume_yes: the user said ``--yes``; nothing is asked.

    Raises:
        StackError: ``consent-missing``; there is no terminal to ask on, and nobody said yes.
    """
    if assume_yes:
        return True
    if sys.stdin.isatty() and sys.stderr.isatty():
        with quiet_display():
            print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
            return sys.stdin.readline().strip().lower() in ("y", "yes")
    if os.environ.get("CI") == "true":
        return True
    raise StackError(
        f"There is no terminal to ask on: {question}",
        fix="Add --yes to agree.",
        cause="consent-missing",
        exit_code=2,
    )
