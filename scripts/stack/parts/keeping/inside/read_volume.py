"""Inside a service's image, as its user: the volume at /source as a tar archive on standard output.

Each database is as it was at one moment, whoever writes into it meanwhile, and is proved whole; of a user's files those
are there that the databases know. What it has to tell goes to standard error, one JSON object a line.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import sys
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, cast

MAGIC = b"SQLite format 3\0"
BESIDE = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a database; a copy that it made needs none
WAIT_SECONDS = 60.0  # for somebody who writes
PAGES = 4096  # between two pieces of news
SMALL = 1024 * 1024  # bytes that are read at once, so that nobody writes in between
DAMAGED, UNREADABLE = 3, 4  # exit codes
FINDINGS = 1000  # the file's own damage comes before what may be wrong in its rows
IN_ROWS = ("NULL value in ", "CHECK constraint failed in ", "non-unique entry in index ")  # rules that came after them
DAMAGE = (1, 11, 24, 26)  # SQLite's ERROR (of a header that says odd things), CORRUPT, FORMAT, NOTADB

Tell = Callable[..., None]


def databases(source: Path, uploads: Sequence[str]) -> list[Path]:
    """The SQLite databases below a folder, except those that users have laid there."""
    return [path for path in files(source) if not _is_upload(path, source, uploads) and _is_database(path)]


def files(folder: Path) -> Iterator[Path]:
    """All regular files below it, links not followed."""
    for parent, _, names in os.walk(folder, onerror=_unless_gone):
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def snapshot(database: Path, copy: Path, tell: Tell) -> str:
    """Copy the database as it is now; what is wrong with it, or "ok"."""
    try:
        return _copied(database, copy, tell)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        return str(error)


def _copied(database: Path, copy: Path, tell: Tell) -> str:
    copy.parent.mkdir(parents=True, exist_ok=True)
    address = f"{database.absolute().as_uri()}?mode=rw"  # where the writer is gone, its log is taken in, which writes
    with (
        closing(sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS, isolation_level=None)) as live,
        closing(sqlite3.connect(copy)) as still,
    ):
        # One transaction for all of it: what others write from now on is not seen, and does not start it over.
        live.execute("BEGIN")
        live.execute("SELECT count(*) FROM sqlite_master").fetchone()
        live.backup(
            still,
            pages=PAGES,
            progress=lambda _, left, all_: tell(news=f"{database.name}: copied", share=(all_ - left) / max(all_, 1)),
        )
        live.execute("COMMIT")
        tell(news=f"{database.name}: checked")
        found = _damage(still, database.name, tell)
        still.execute("PRAGMA journal_mode=DELETE")  # nothing of the copy stays beside it
    return found


def _damage(copy: sqlite3.Connection, name: str, tell: Tell) -> str:
    for (finding,) in copy.execute(f"PRAGMA integrity_check({FINDINGS})"):
        if finding != "ok" and not finding.startswith(IN_ROWS):
            return " ".join(str(finding).splitlines()[:3])
        tell(news=f"{name}: {finding}")
    return "ok"


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """And not that somebody writes, that there is no room, or the like."""
    code = getattr(error, "sqlite_errorcode", None)  # before Python 3.11 only the class says something
    return type(error) is sqlite3.DatabaseError if code is None else code & 0xFF in DAMAGE


class Counted:
    """A file that counts what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0

    def write(self, data: bytes) -> int:
        self.size += len(data)
        return self._file.write(data)


def write(source: Path, copies: dict[Path, Path], skipped: Sequence[str], out: BinaryIO, tell: Tell) -> None:
    """All of the folder as a tar archive, of each database its copy."""
    beside = {Path(f"{each}{end}") for each in copies for end in BESIDE}
    there = [path for path in _walk(source, skipped) if path not in beside]
    tell(total=sum(_size(copies.get(path, path)) for path in there))
    counted = Counted(out)
    with tarfile.open(fileobj=cast(BinaryIO, counted), mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path in there:
            _add(archive, path, str(path.relative_to(source)), copies.get(path))
    out.flush()
    tell(done=counted.size)


def _add(archive: tarfile.TarFile, path: Path, name: str, copy: Path | None) -> None:
    try:
        info = archive.gettarinfo(path, arcname=name)
        content = (copy or path).open("rb") if path.is_file() and not path.is_symlink() else None
    except FileNotFoundError:  # its user has removed it meanwhile
        return
    if info is None or not (info.isfile() or info.isdir() or info.issym() or info.islnk()):  # a socket, a pipe
        return
    if content is None:
        archive.addfile(info)
        return
    with content:
        info.type, info.linkname = tarfile.REGTYPE, ""  # also where the same file has another name
        info.size = os.fstat(content.fileno()).st_size
        if info.size <= SMALL:
            whole = content.read()
            info.size = len(whole)
            archive.addfile(info, io.BytesIO(whole))
        else:
            archive.addfile(info, content)


def _walk(source: Path, skipped: Sequence[str]) -> Iterator[Path]:
    yield source
    for parent, folders, names in os.walk(source, onerror=_unless_gone):
        if Path(parent) == source:
            folders[:] = [each for each in folders if each not in skipped]
        folders.sort()
        for name in sorted([*folders, *names]):
            yield Path(parent, name)


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _is_upload(path: Path, source: Path, uploads: Sequence[str]) -> bool:
    return path.relative_to(source).parts[0] in uploads


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except FileNotFoundError:  # its user has removed it meanwhile
        return False


def read(source: Path, scratch: Path, told: dict[str, Any], tell: Tell) -> int:
    """Do all of it; returns the exit code."""
    found = databases(source, told["uploads"])
    needed = sum(_size(Path(f"{each}{end}")) for each in found for end in ("", *BESIDE))
    tell(databases=needed, all=sum(map(_size, _walk(source, told["skip"]))))
    copies: dict[Path, Path] = {}
    for database in found:
        name = database.relative_to(source)
        copy = scratch / name
        damage = snapshot(database, copy, tell)
        if damage == "ok":
            copies[database] = copy
            continue
        tell(damaged=f"{name}: {damage}")
        if not told["even_damaged"]:
            return DAMAGED
        copy.unlink(missing_ok=True)
    write(source, copies, told["skip"], sys.stdout.buffer, tell)
    return 0


def main(source: Path, scratch: Path, told: dict[str, Any]) -> int:
    """Do it, and tell what can't be read; returns the exit code."""

    def tell(**what: object) -> None:
        print(json.dumps(what), file=sys.stderr, flush=True)

    try:
        return read(source, scratch, told, tell)
    except OSError as error:
        if not isinstance(error.filename, str | Path) or not Path(error.filename).is_relative_to(source):
            raise
        tell(unreadable=f"{Path(error.filename).relative_to(source)}: {error.strerror}")
        return UNREADABLE


if __name__ == "__main__":
    code = main(Path("/source"), Path("/data"), json.loads(sys.argv[1]))
    if code == 0:
        signal.pause()  # until the container goes: of a program that has ended the engine may lose the last words
    sys.exit(code)
