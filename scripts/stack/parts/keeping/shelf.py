"""The folder with the backups: their names, what there is, and which go when there are too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stack.parts.keeping.archive import DamagedError, Reader
from stack.parts.keeping.encryption import is_encrypted
from stack.parts.keeping.manifest import Manifest, NewerFormError

STAMP = "%Y%m%d-%H%M%S"  # in UTC: it then sorts by age on every day of the year
PLAIN, ENCRYPTED = ".tar.zst", ".encrypted.tar"


@dataclass(frozen=True)
class Kept:
    """A backup that is there.

    Args:
        made_at: by its name.
        size: in bytes.
        manifest: None where it can't be read, because the file is encrypted or damaged.
    """

    file: Path
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
    """The project's backups in the folder, the newest first."""
    found = [
        Kept(file, moment, file.stat().st_size, *_opened(file))
        for file in (folder.iterdir() if folder.is_dir() else ())
        if (moment := _moment(file.name, project))
    ]
    return sorted(found, key=lambda each: each.made_at, reverse=True)


def drop_oldest(folder: Path, project: str, keep: int, needed: Path | None = None) -> Sequence[Path]:
    """Delete the project's oldest backups in the folder, so that no more than so many stay; those that went.

    Args:
        needed: stays, however old it is.
    """
    gone = [each.file for each in kept(folder, project)[keep:] if each.file != needed]
    for file in gone:
        file.unlink()
    return gone


def _named(folder: Path, project: str, moment: datetime, ending: str) -> Path:
    return folder / f"{project}-{moment.strftime(STAMP)}{ending}"


def _moment(name: str, project: str) -> datetime | None:
    """When the project's backup of that name was made; None where it is none."""
    ending = next((each for each in (PLAIN, ENCRYPTED) if name.endswith(each)), None)
    stamp = name.removesuffix(ending or "").removeprefix(f"{project}-")
    if ending is None or name != f"{project}-{stamp}{ending}":
        return None
    try:
        return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def _opened(file: Path) -> tuple[bool, Manifest | None]:
    with file.open("rb") as content:
        if is_encrypted(content):
            return True, None
        try:
            return False, Reader(content).manifest
        except (DamagedError, NewerFormError):
            return False, None
