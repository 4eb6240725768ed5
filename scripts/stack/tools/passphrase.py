"""Passphrases: from a file, or typed on a terminal where nobody reads along."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from stack.tools.errors import StackError

SHORTEST = 8


def new(file: Path | None) -> str:
    """One to encrypt with; on a terminal it is asked for twice.

    Raises:
        StackError: ``passphrase-needed``, ``passphrase-short``, ``passphrase-differs``; exit code 2.
    """
    if file:
        given = _from(file)
    else:
        given = _typed("Passphrase for the backup: ")
        if _typed("The same again: ") != given:
            raise _refused("The two were not the same.", "Run this again.", "passphrase-differs")
    if len(given) < SHORTEST:
        fix = f"Take one of {SHORTEST} characters or more; several words are good ones."
        raise _refused("The passphrase is too short.", fix, "passphrase-short")
    return given


def known(file: Path | None) -> str:
    """The one that something was encrypted with.

    Raises:
        StackError: ``passphrase-needed``; exit code 2.
    """
    return _from(file) if file else _typed("Passphrase of the backup: ")


def _typed(question: str) -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        fix = "Add --passphrase-file FILE; its first line counts."
        raise _refused("A passphrase is needed, and there is no terminal to ask on.", fix, "passphrase-needed")
    return getpass.getpass(question, stream=sys.stderr)


def _from(file: Path) -> str:
    try:
        return (file.read_text(encoding="utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as unreadable:
        reason = getattr(unreadable, "strerror", None) or "it is no text"
        raise _refused(f"{file} can't be read: {reason}.", "Name another one.", "passphrase-needed") from unreadable


def _refused(message: str, fix: str, cause: str) -> StackError:
    return StackError(message, fix=fix, cause=cause, exit_code=2)
