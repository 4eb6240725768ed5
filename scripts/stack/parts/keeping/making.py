"""Makes a backup, whether the stack runs or not."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from docker import DockerClient
from docker.models.containers import Container
from docker.types import Mount

from stack import settings as settings_module
from stack.parts import containers
from stack.parts.disk import require_room
from stack.parts.keeping import beside
from stack.parts.keeping.archive import PIECE, Writer
from stack.parts.keeping.contents import PROGRAMS, VOLUMES, Program, full_name, left_out
from stack.parts.keeping.encryption import encrypting
from stack.parts.keeping.inside.exchange import OURS
from stack.parts.keeping.manifest import Manifest
from stack.parts.keeping.shelf import new_name
from stack.settings import Settings
from stack.tools.chunks import Stream
from stack.tools.errors import StackError
from stack.tools.progress import Progress
from stack.tools.user import hand_over

MB = 1_000_000


def make(
    settings: Settings, client: DockerClient, folder: Path, progress: Progress, *, passphrase: str | None = None
) -> Path:
    """Write all of the stack's data into one new file; needs the images, and no running container.

    Args:
        folder: where to; made where it is missing.
        passphrase: encrypt with it.

    Returns:
        The file, complete; nothing of it is there where it could not be made.

    Raises:
        StackError: ``no-data`` (nothing to back up), ``data-damaged`` (a database fails its check), ``disk-full``,
            ``folder-unusable``, ``image-missing`` or ``program-failed``.
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
    with ExitStack() as running:
        readers = {
            program: running.enter_context(_reader(settings, client, program))
            for program in PROGRAMS
            if any(VOLUMES[each] is program for each in there)
        }
        secrets = running.enter_context(_secrets(settings, client, there))
        manifest = Manifest(
            datetime.now(UTC),
            settings.compose_project_name,
            {program.service: beside.version_in(reader, program) for program, reader in readers.items()},
            there,
            left_out(settings),
        )
        file = new_name(folder, manifest, encrypted=passphrase is not None)
        with _draft(file) as out, _encrypted(out, passphrase) as plain, Writer(plain, manifest) as writer:
            if settings_module.USER_FILE.exists():
                writer.add_env(settings_module.USER_FILE.read_bytes())
            for volume in there:
                program = VOLUMES[volume]
                if program is None:
                    _add(writer, volume, _archived(secrets, volume), top=volume)
                else:
                    _add(writer, volume, _Reading(readers[program], volume, program, folder, progress).chunks())
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
    chunks, _ = container.get_archive(f"/volumes/{volume}")
    return cast(Iterable[bytes], chunks)


class _Reading:
    """One volume, while the program inside reads it."""

    def __init__(self, container: Container, volume: str, program: Program, folder: Path, progress: Progress) -> None:
        self._container = container
        self._volume = volume
        self._program = program
        self._folder = folder
        self._progress = progress
        self._total = 0
        self._damage: str | None = None

    def chunks(self) -> Iterator[bytes]:
        """Its archive, as it comes."""
        told = json.dumps({"uploads": self._program.uploads, "skip": OURS})
        argv = beside.ours(self._program.python, "read_volume", told)
        came = 0
        try:
            for chunk in beside.streamed(self._container, argv, self._on_news):
                came += len(chunk)
                share = min(came / self._total, 1.0) if self._total else None
                self._progress(f"{self._volume}: {came / MB:,.0f} of {self._total / MB:,.0f} MB", share)
                yield chunk
        except StackError as error:
            raise self._told(error) from error

    def _on_news(self, news: Mapping[str, Any]) -> None:
        if "total" in news:
            self._total = int(news["total"])
            require_room({self._folder: self._total}, "the backup")
        elif "damaged" in news:
            self._damage = str(news["damaged"])
        else:
            self._progress(str(news.get("news")), news.get("share"))

    def _told(self, error: StackError) -> StackError:
        if self._damage is None:
            return error
        return StackError(
            f"A database in the volume {self._volume} is damaged, so no backup was made of it: {self._damage}",
            fix="python3 scripts/restore.py --replace --no-backup FILE   puts an older backup in its place; "
            "python3 scripts/backup.py --list   names them.",
            cause="data-damaged",
        )


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
    draft = file.with_name(f".{file.name}.partial")
    try:
        if not file.parent.exists():
            file.parent.mkdir(parents=True, mode=0o700)
            hand_over(file.parent)
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as refused:
        raise _unusable(file.parent, refused) from refused
    try:
        with os.fdopen(handle, "w+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        hand_over(draft)
        draft.replace(file)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, and not of talking to the engine
            raise _unusable(file.parent, error) from error
        raise


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
