"""Small file chores of this part: folders that belong to the user, hashes, and making sure that bytes are on disk."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.tools.user import hand_over

DRAFT = ".draft-"


def make_folder(path: Path) -> None:
    """Make the folder and those above it; new ones belong to the user behind `sudo` where there is one."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        hand_over(folder)


@contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """A new folder for work in progress, gone when the block ends (unless it was renamed to its final place)."""
    draft = Path(tempfile.mkdtemp(dir=parent, prefix=DRAFT))
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def sweep_drafts(parent: Path) -> None:
    """Remove what an interrupted run left behind. Only for the holder of the lock."""
    for draft in parent.glob(f"{DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)


def sha256(file: Path) -> str:
    """The file's SHA-256, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def settle(folder: Path) -> None:
    """Have everything in the folder written to disk, readable by all and owned by the user."""
    for file in folder.iterdir():
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())
        file.chmod(0o644)
        hand_over(file)
    folder.chmod(0o755)
    hand_over(folder)
    settle_names(folder)


def settle_names(folder: Path) -> None:
    """Have the folder's list of names written to disk; Windows offers no such call and needs none."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
