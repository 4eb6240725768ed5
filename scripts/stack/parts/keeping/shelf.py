"""The folder with the backups: their names, what there is, and which go when there are too many."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stack.parts.keeping.archive import DamagedError, Reader
from stack.parts.keeping.encryption import is_encrypted
from stack.parts.keeping.manifest import Manifest, NewerFormError

STAMP = "%Y%m%d-%H%M%S"  # in UTC: it then sorts by age on every day of the year
PLAIN, ENCRYPTED = ".tar.zst", ".encrypted.tar"
DRAFT = ".partial"
_NAME = re.compile(
    r"(?P<project>.+)-(?P<machine>[a-z0-9.]+)-(?P<stamp>\d{8}-\d{6})(?P<ending>\.tar\.zst|\.encrypted\.tar)"
)


@dataclass(frozen=True)
class Kept:
    """A backup that is there.

    Args:
        machine: where it was made, and when, by its name.
        size: in bytes.
        manifest: None where it can't be read, because the file is encrypted or damaged.
    """

    file: Path
    machine: str
    made_at: datetime
    size: int
    encrypted: bool
    manifest: Manifest | None


def new_name(folder: Path, manifest: Manifest, *, encrypted: bool) -> Path:
    """A name that is not taken; of two in one second the later gets the next one."""
    moment = manifest.created_at.astimezone(UTC)
    while any(_named(folder, manifest.project, moment, ending).exists() for ending in (PLAIN, ENCRYPTED)):
        moment += timedelta(seconds=1)
    return _named(folder, manifest.project, moment, ENCRYPTED if encrypted else PLAIN)


def kept(folder: Path, project: str) -> list[Kept]:
    """The project's backups in the folder, of whichever machine, the newest first."""
    found = [
        Kept(file, *place, file.stat().st_size, *_opened(file))
        for file in (folder.iterdir() if folder.is_dir() else ())
        if (place := _place(file.name, project))
    ]
    return sorted(found, key=lambda each: each.made_at, reverse=True)


def drop_oldest(folder: Path, project: str, keep: int, needed: Path | None = None) -> Sequence[Path]:
    """Delete this machine's oldest backups of the project in the folder, so that no more than so many stay.

    Args:
        needed: stays, however old it is.

    Returns:
        Those that went.
    """
    ours = [each.file for each in kept(folder, project) if each.machine == machine()]
    gone = [file for file in ours[keep:] if file != needed]
    for file in gone:
        file.unlink()
    return gone


def draft_of(file: Path) -> Path:
    """Where it is written until it is whole."""
    return file.with_name(f".{file.name}{DRAFT}")


def drop_drafts(folder: Path, project: str) -> None:
    """Delete what was left by this machine's backups of the project that were killed; for who holds the lock."""
    for file in folder.glob(f".*{DRAFT}"):
        place = _place(file.name.removeprefix(".").removesuffix(DRAFT), project)
        if place and place[0] == machine():
            with suppress(OSError):
                file.unlink()


def machine() -> str:
    """This one's name, as it stands in those of its backups: machines may share a folder."""
    return re.sub(r"[^a-z0-9]+", ".", platform.node().lower())[:63].strip(".") or "unnamed"


def _named(folder: Path, project: str, moment: datetime, ending: str) -> Path:
    return folder / f"{project}-{machine()}-{moment.strftime(STAMP)}{ending}"


def _place(name: str, project: str) -> tuple[str, datetime] | None:
    """On which machine and when the project's backup of that name was made; None where it is none."""
    found = _NAME.fullmatch(name)
    if found is None or found["project"] != project:
        return None
    try:
        return found["machine"], datetime.strptime(found["stamp"], STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _opened(file: Path) -> tuple[bool, Manifest | None]:
    try:
        with file.open("rb") as content:
            if is_encrypted(content):
                return True, None
            return False, Reader(content).manifest
    except (DamagedError, NewerFormError, OSError):
        return False, None
