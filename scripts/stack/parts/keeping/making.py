"""Makes a backup, whether the stack runs or not."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from docker import DockerClient
from docker.models.containers import Container
from docker.types import Mount

from stack import settings as settings_module
from stack.parts import containers
from stack.parts.disk import require_room
from stack.parts.host_checks import docker_root
from stack.parts.keeping import beside
from stack.parts.keeping.archive import PIECE, Writer
from stack.parts.keeping.contents import DOCKERS_DISK, PROGRAMS, VOLUMES, Program, full_name, left_out
from stack.parts.keeping.encryption import encrypting
from stack.parts.keeping.inside.exchange import OURS
from stack.parts.keeping.manifest import Manifest
from stack.parts.keeping.shelf import draft_of, drop_drafts, new_name
from stack.settings import Settings
from stack.tools.chunks import Stream
from stack.tools.errors import StackError
from stack.tools.progress import Progress
from stack.tools.user import hand_over

MB = 1_000_000


def make(  # noqa: PLR0913  (options, each with a default)
    settings: Settings,
    client: DockerClient,
    folder: Path,
    progress: Progress,
    *,
    passphrase: str | None = None,
    even_damaged: bool = False,
) -> Path:
    """Write all of the stack's data into one new file; needs the images, and no running container.

    Args:
        folder: where to; made where it is missing.
        passphrase: encrypt with it.
        even_damaged: take a database that fails its check as its files are; the manifest says so.

    Returns:
        The file, complete; nothing of it is there where it could not be made.

    Raises:
        StackError: ``no-data`` (nothing to back up), ``data-damaged`` (a database fails its check),
            ``data-unreadable``, ``disk-full``, ``folder-unusable``, ``image-missing`` or ``program-failed``.
    """
    there = tuple(each for each in VOLUMES if containers.has_volume(settings, client, each))
    if not there:
        raise StackError(
            "There is nothing to back up: the stack was never started here, or its data volumes were removed.",
            fix="python3 scripts/up.py   starts it.",
            cause="no-data",
            exit_code=2,
        )
    beside.remove_left_over(settings, client)
    drop_drafts(folder, settings.compose_project_name)
    with ExitStack() as running:
        readers = {
            program: running.enter_context(_reader(settings, client, program))
            for program in PROGRAMS
            if any(VOLUMES[each] is program for each in there)
        }
        secrets = running.enter_context(_secrets(settings, client, there))
        rooms = _Rooms(docker_root(client), folder)
        readings = {
            volume: _Reading(readers[program], volume, program, rooms, progress, even_damaged=even_damaged)
            for volume in there
            if (program := VOLUMES[volume])
        }
        for reading in readings.values():
            reading.begin()
        manifest = Manifest(
            datetime.now(UTC),
            settings.compose_project_name,
            {program.service: beside.version_in(reader, program) for program, reader in readers.items()},
            there,
            (*left_out(settings), *(damage for reading in readings.values() for damage in reading.damages())),
            {
                program.service: beside.tables_in(reader, program)
                for program, reader in readers.items()
                if program.tables
            },
        )
        file = new_name(folder, manifest, encrypted=passphrase is not None)
        with _draft(file) as out, _encrypted(out, passphrase) as plain, Writer(plain, manifest) as writer:
            if settings_module.USER_FILE.exists():
                writer.add_env(settings_module.USER_FILE.read_bytes())
            for volume in there:
                if volume in readings:
                    _add(writer, volume, readings[volume].chunks())
                else:
                    _add(writer, volume, _archived(secrets, volume), top=volume)
    return file


@contextmanager
def _reader(settings: Settings, client: DockerClient, program: Program) -> Iterator[Container]:
    """The program's image on its volume, as its user; /data, which that user may write to, is an empty volume here."""
    (volume,) = (each for each, user in VOLUMES.items() if user is program)
    mounts = [Mount("/source", full_name(settings, volume), type="volume"), Mount("/data", None, type="volume")]
    image = containers.image_in_use(settings, client, program.service) or containers.image_of(settings, program.service)
    with beside.container_beside(settings, client, image, mounts) as container:
        yield container


@contextmanager
def _secrets(settings: Settings, client: DockerClient, there: Iterable[str]) -> Iterator[Container]:
    mounts = [
        Mount(f"/volumes/{volume}", full_name(settings, volume), type="volume", read_only=True)
        for volume in there
        if VOLUMES[volume] is None
    ]
    image = containers.image_in_use(settings, client, "init") or containers.image_of(settings, "init")
    with beside.container_beside(settings, client, image, mounts) as container:
        yield container


def _archived(container: Container, volume: str) -> Iterable[bytes]:
    return beside.from_engine(lambda: cast(Iterable[bytes], container.get_archive(f"/volumes/{volume}")[0]))


class _Rooms:
    """Looks whether there is room for all that is to be written."""

    def __init__(self, engine: Path, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        self._copies = self._all = 0

    def require(self, copies: int, all_: int) -> None:
        """For one more volume: copies of its databases where the engine keeps volumes, and all of it in the folder."""
        self._copies += copies
        self._all += all_
        needs = {self._folder: self._all}
        needs[self._engine] = needs.get(self._engine, 0) + self._copies
        require_room(
            needs, "the backup", f"keep backups on a larger disk (--to, or BACKUP_DIR in .env), or {DOCKERS_DISK}"
        )


class _Reading:
    """One volume, while the program inside reads it."""

    def __init__(  # noqa: PLR0913  (what it works with)
        self,
        container: Container,
        volume: str,
        program: Program,
        rooms: _Rooms,
        progress: Progress,
        *,
        even_damaged: bool,
    ) -> None:
        self._volume = volume
        self._rooms = rooms
        self._progress = progress
        self._even_damaged = even_damaged
        told = json.dumps({"uploads": program.uploads, "skip": OURS, "even_damaged": even_damaged})
        self._printed = self._run(container, beside.ours(program.python, "read_volume", told))
        self._first: list[bytes] = []
        self._total: int | None = None
        self._damaged: list[str] = []
        self._unreadable: str | None = None

    def begin(self) -> None:
        """Have its databases copied, and each of them checked."""
        for chunk in self._printed:
            self._first.append(chunk)
            if self._total is not None:
                return

    def damages(self) -> list[str]:
        """Of databases that are taken all the same, in words for people."""
        return [f"a whole copy of a damaged database; its files are as they were: {each}" for each in self._damaged]

    def chunks(self) -> Iterator[bytes]:
        """Its archive, as it comes."""
        came = 0
        for chunk in chain(self._first, self._printed):
            came += len(chunk)
            share = min(came / self._total, 1.0) if self._total else None
            self._progress(f"{self._volume}: {came / MB:,.0f} of {(self._total or 0) / MB:,.0f} MB", share)
            yield chunk

    def _run(self, container: Container, argv: Sequence[str]) -> Iterator[bytes]:
        try:
            yield from beside.streamed(container, argv, self._on_news)
        except StackError as error:
            raise self._told(error) from error

    def _on_news(self, news: Mapping[str, Any]) -> None:
        if "databases" in news:
            self._rooms.require(int(news["databases"]), int(news["all"]))
        elif "total" in news:
            self._total = int(news["total"])
        elif "damaged" in news:
            self._damaged.append(f"{self._volume}/{news['damaged']}")
        elif "unreadable" in news:
            self._unreadable = str(news["unreadable"])
        else:
            self._progress(str(news.get("news")), news.get("share"))

    def _told(self, error: StackError) -> StackError:
        if error.cause != "program-failed":
            return error
        if self._unreadable is not None:
            return StackError(
                f"Something in the volume {self._volume} can't be read, so no backup was made: {self._unreadable}",
                fix="Give it to the user whom the rest of that volume belongs to, or remove it; then run this again.",
                cause="data-unreadable",
            )
        if self._damaged and not self._even_damaged:
            return StackError(
                f"A database is damaged, so no backup was made: {self._damaged[0]}",
                fix="python3 scripts/backup.py --even-damaged   makes one with its files as they are; then "
                "python3 scripts/restore.py --replace --no-backup FILE   puts an older backup in its place "
                "(python3 scripts/backup.py --list   names them).",
                cause="data-damaged",
            )
        return error


def _add(writer: Writer, volume: str, chunks: Iterable[bytes], *, top: str = ".") -> None:
    """Take over an archive in which all lies below the folder ``top``."""
    stream = Stream(chunks)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as archive:
            for info in archive:
                path = PurePosixPath(info.name).relative_to(top)
                if path.parts and path.parts[0] in OURS:
                    continue
                writer.add(volume, str(path), info, archive.extractfile(info) if info.isfile() else None)
        while stream.read(PIECE):  # where a part was lost, what looks like the end is none
            pass
    except tarfile.TarError as broken:
        raise StackError(
            f"The Docker Engine lost a part of what was read from the volume {volume} ({broken}).",
            fix="Run this again.",
            cause="program-failed",
        ) from broken


@contextmanager
def _draft(file: Path) -> Iterator[BinaryIO]:
    """A file that is in its place when all of it is written and on the disk; else there is none."""
    draft = draft_of(file)
    try:
        if not file.parent.exists():
            file.parent.mkdir(parents=True, mode=0o700)
            _hand_over(file.parent)
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as refused:
        raise _unusable(file.parent, refused) from refused
    try:
        with os.fdopen(handle, "w+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        _hand_over(draft)
        _put_in_place(draft, file)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, and not of talking to the engine
            raise _unusable(file.parent, error) from error
        raise


def _hand_over(path: Path) -> None:
    with suppress(OSError):  # a file system without owners, or one on which root is nobody
        hand_over(path)


def _put_in_place(draft: Path, file: Path) -> None:
    """Give it its name, if nobody has taken that meanwhile."""
    try:
        os.link(draft, file)
    except FileExistsError:
        raise
    except OSError:  # a file system on which no file has two names
        draft.replace(file)
    else:
        draft.unlink()


@contextmanager
def _encrypted(out: BinaryIO, passphrase: str | None) -> Iterator[BinaryIO]:
    if passphrase is None:
        yield out
        return
    with encrypting(out, passphrase) as plain:
        yield plain


def _unusable(folder: Path, error: OSError) -> StackError:
    return StackError(
        f"The backup could not be written to {folder}: {error.strerror or error}.",
        fix="Make room there or give yourself the right to write there; or name another folder: --to FOLDER.",
        cause="folder-unusable",
        exit_code=2,
    )
