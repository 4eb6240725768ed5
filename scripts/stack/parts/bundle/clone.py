"""The files of this clone: which of them a bundle takes along, and whether they are still those of a bundle."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path

from stack.parts.model.files import sha256
from stack.settings import ROOT
from stack.tools.errors import StackError
from stack.tools.process import run

# What decides how the stack runs; the rest may be changed without a word about it.
START = "scripts/up.py"
RUNS = ("compose.yaml", "compose.cloud.yaml", ".env.example", "scripts/", "services/")


def files(root: Path = ROOT) -> dict[str, Path]:
    """The files that belong to the project, by their names in it: those that git knows, as they are now.

    What came here without git is told from what was made here by `.gitignore`.

    Raises:
        StackError: ``clone-unreadable``: git does not say, or nothing of it is the project.
    """
    names = _by_git(root) if (root / ".git").exists() else sorted(_by_walking(root))
    found = {name: root / name for name in names if (root / name).is_file()}
    if START not in found:
        raise _unreadable(root, f"{START} is not among them")
    return found


def version(root: Path = ROOT) -> str:
    """The commit, for people; empty where git knows of none."""
    done = run(["git", "-C", str(root), "describe", "--always", "--dirty"]) if (root / ".git").exists() else None
    return done.out.strip() if done and done.code == 0 else ""


def first_difference(sums: Mapping[str, str], root: Path = ROOT) -> str | None:
    """The first file that decides how the stack runs and is another here than it was; None where all are the same.

    Args:
        sums: SHA-256 by name, as they were.
    """
    for name, digest in sorted(sums.items()):
        if name.startswith(RUNS) and not ((root / name).is_file() and sha256(root / name) == digest):
            return name
    return None


def _by_git(root: Path) -> list[str]:
    listed = run(["git", "-C", str(root), "ls-files", "-z"])
    if listed.code != 0:
        raise _unreadable(root, f"git does not name them: {listed.err.strip()[-300:]}")
    return sorted(filter(None, listed.out.split("\0")))


def _unreadable(root: Path, why: str) -> StackError:
    return StackError(
        f"Which files of {root} belong to the stack can't be found out: {why}",
        fix=f"If the folder is another user's: git config --global --add safe.directory {root}   Then run this again.",
        cause="clone-unreadable",
        exit_code=2,
    )


def _by_walking(root: Path) -> Iterator[str]:
    ignore = (root / ".gitignore").read_text(encoding="utf-8").split()
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [each for each in folders if not _ignored(here / each, ignore)]
        yield from ((here / each).as_posix() for each in names if not _ignored(here / each, ignore))


def _ignored(path: Path, patterns: list[str]) -> bool:
    """As far as `.gitignore` here goes: names anywhere, and paths from the root on."""
    return any(
        fnmatch(f"/{path.as_posix()}" if pattern.startswith("/") else path.name, pattern.rstrip("/"))
        for pattern in patterns
    )
