"""Puts what a backup holds in the place of what is there: all of it, or nothing.

What is in the backup is laid into each volume beside what is there, in a folder of its own. When all of it is there and
proved, the stack is stopped, and within a moment the new takes the place of the old, by renaming. A note on this
machine says how far that is; who comes after an interruption ends it (`finish`).
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from docker import DockerClient
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.types import Mount
from packaging.version import InvalidVersion, Version

from stack.parts import containers
from stack.parts.containers import PROJECT_LABEL
from stack.parts.disk import require_room
from stack.parts.host_checks import docker_root
from stack.parts.keeping import beside
from stack.parts.keeping.archive import as_tar
from stack.parts.keeping.checking import Checked, check, opened
from stack.parts.keeping.contents import CHAT, DOCKERS_DISK, PROGRAMS, VOLUMES, full_name
from stack.parts.keeping.inside.exchange import INCOMING
from stack.parts.keeping.manifest import Manifest
from stack.parts.state import read_json, write_json
from stack.settings import Settings
from stack.tools import interrupts
from stack.tools.errors import StackError
from stack.tools.progress import Progress

MB = 1_000_000
VOLUME_LABEL = "com.docker.compose.volume"
RIGHTS = ("CHOWN", "DAC_OVERRIDE", "FOWNER")  # over the files of every service's user
FILLING, EXCHANGING = "filling", "exchanging"


def restore(  # noqa: PLR0913  (options, each with a default)
    settings: Settings,
    client: DockerClient,
    file: Path,
    progress: Progress,
    *,
    replace: bool = False,
    passphrase: str | None = None,
    checked: Checked | None = None,
    on_decision: Callable[[], object] = lambda: None,
) -> Checked:
    """Check the file, lay what is in it beside the present data, and exchange the two.

    The stack's containers are stopped for the exchange, and stay stopped: `up` starts them. `.env` is not touched
    here; see `stack.parts.keeping.env`. Needs the images.

    Args:
        replace: take the place of data that is there; without it that is an error.
        checked: what `check` has said of the file a moment ago; it is then not asked again.
        on_decision: is called when all of it is there and the exchange begins: from then on nothing is undone.

    Raises:
        StackError: what `check` raises; ``data-present``, ``data-newer`` (than the programs in the images),
            ``disk-full``, ``image-missing``, ``restore-failed``: nothing has been changed then.
            ``restore-interrupted``: the exchange could not be ended, and `finish` does it.
    """
    finish(settings, client)
    checked = checked or check(file, progress, passphrase=passphrase)
    require_room({docker_root(client): checked.size}, "what is in the backup", DOCKERS_DISK)
    beside.remove_left_over(settings, client)
    refuse_newer(settings, client, checked.manifest)
    if not replace:
        _refuse_living(settings, client)
    with _begun(settings, client), _keeper(settings, client) as keeper:
        _run(keeper, "clear")
        _fill(keeper, file, passphrase, checked, progress)
        containers.stop(settings)
        with interrupts.deferred():
            _note(settings, EXCHANGING, ())
            on_decision()
            _exchange(settings, keeper)
    return checked


def finish(settings: Settings, client: DockerClient) -> bool:
    """End a restore that was interrupted; costs nothing where there is none. `up` does this first.

    Returns:
        Whether there was one.

    Raises:
        StackError: ``restore-interrupted``: it could not be ended.
    """
    note = read_json(_note_file(settings))
    if note is None:
        return False
    beside.remove_left_over(settings, client)
    if note.get("phase") == EXCHANGING:
        containers.stop(settings)
        with _keeper(settings, client) as keeper:
            _exchange(settings, keeper)
    else:
        _undo(settings, client, [str(each) for each in note.get("made", ())])
    return True


def forget(settings: Settings) -> None:
    """Remove the note of a restore that was interrupted; for when the volumes are gone."""
    _note_file(settings).unlink(missing_ok=True)


def refuse_newer(settings: Settings, client: DockerClient, manifest: Manifest) -> None:
    """Do nothing where the programs in the images can read what theirs wrote.

    Raises:
        StackError: ``data-newer`` or ``image-missing``; exit code 2.
    """
    for program in PROGRAMS:
        if (theirs := manifest.versions.get(program.service)) is None:
            continue
        their_tables = manifest.tables.get(program.service)
        image = containers.image_of(settings, program.service)
        with beside.container_beside(settings, client, image, ()) as container:
            ours = beside.version_in(container, program)
            our_tables = beside.tables_in(container, program) if their_tables else ""
        if _is_newer(theirs, ours):
            raise _newer(f"{program.package} {theirs}, and {ours} is here, which")
        if their_tables and _number(their_tables) > _number(our_tables):
            raise _newer(f"a {program.service} that has the tables {their_tables}; the one here has {our_tables}, and")


def _newer(writer: str) -> StackError:
    return StackError(
        f"The backup's data was written by {writer} can't read it. Nothing was changed.",
        fix="Bring this folder to a version of the stack that has it, and run python3 scripts/up.py there.",
        cause="data-newer",
        exit_code=2,
    )


def _number(tables: str) -> str:
    """Of ``v0001_chats`` what is compared."""
    return tables.partition("_")[0]


@contextmanager
def _begun(settings: Settings, client: DockerClient) -> Iterator[None]:
    """Say on this machine what is going on, and make the volumes that are missing, as Compose would.

    Where the block fails before the exchange, all of that is undone.
    """
    made = [each for each in VOLUMES if not containers.has_volume(settings, client, each)]
    _note(settings, FILLING, made)
    try:
        for each in made:
            labels = {PROJECT_LABEL: settings.compose_project_name, VOLUME_LABEL: each}
            client.volumes.create(full_name(settings, each), labels=labels)
        yield
    except BaseException:
        note = read_json(_note_file(settings))
        if note and note.get("phase") == FILLING:
            with suppress(StackError, DockerException):  # else `finish` does it
                _undo(settings, client, made)
        raise


def _undo(settings: Settings, client: DockerClient, made: Sequence[str]) -> None:
    """Drop what was laid into the volumes, and those that were made for it, unless somebody has used them since."""
    with _keeper(settings, client) as keeper:
        _run(keeper, "clear")
        used = _filled(keeper)
    for each in set(made) - set(used):
        _remove_unless_in_use(client, full_name(settings, each))
    forget(settings)


def _remove_unless_in_use(client: DockerClient, volume: str) -> None:
    try:
        client.volumes.get(volume).remove()
    except NotFound:
        pass
    except APIError as refused:
        if refused.status_code != HTTPStatus.CONFLICT:
            raise


def _filled(keeper: Container) -> list[str]:
    """Those of its volumes that hold something."""
    found: list[str] = json.loads(beside.answer(keeper, _program("filled")))
    return found


def _refuse_living(settings: Settings, client: DockerClient) -> None:
    volumes = [each for each in VOLUMES if containers.has_volume(settings, client, each)]
    if not volumes:
        return
    with _keeper(settings, client, volumes) as keeper:
        there = _filled(keeper)
    if there:
        raise StackError(
            f"There is data here already, in {', '.join(there)}. Nothing was changed.",
            fix="Add --replace, and what is in the backup takes its place; a backup of what is here is made before.",
            cause="data-present",
            exit_code=2,
        )


@contextmanager
def _keeper(settings: Settings, client: DockerClient, volumes: Iterable[str] = tuple(VOLUMES)) -> Iterator[Container]:
    """A container that may do everything with the files of these volumes, and nothing else."""
    mounts = [Mount(f"/volumes/{each}", full_name(settings, each), type="volume") for each in volumes]
    image = containers.image_of(settings, CHAT.service)
    with beside.container_beside(settings, client, image, mounts, RIGHTS) as container:
        yield container


def _run(keeper: Container, action: str) -> None:
    beside.run(keeper, _program(action))


def _program(action: str) -> Sequence[str]:
    return beside.ours(CHAT.python, "exchange", action)


def _fill(keeper: Container, file: Path, passphrase: str | None, checked: Checked, progress: Progress) -> None:
    """Lay what is in the backup into the volumes, and an empty folder where it holds nothing for one."""
    done = 0

    def counted(pieces: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal done
        for piece in pieces:
            done += len(piece)
            progress(f"{done / MB:,.0f} of {checked.size / MB:,.0f} MB", min(done / max(checked.size, 1), 1.0))
            yield piece

    filled = set()
    with opened(file, passphrase) as reader:
        for volume, entries in groupby(reader.entries(), key=lambda entry: entry.volume):
            if volume:
                _put(keeper, volume, counted(as_tar(entries, INCOMING)))
                filled.add(volume)
    for volume in set(VOLUMES) - filled:
        _put(keeper, volume, _empty_folder())


def _put(keeper: Container, volume: str, archive: Iterable[bytes]) -> None:
    try:
        keeper.put_archive(f"/volumes/{volume}", cast(Any, archive))
    except (APIError, OSError) as refused:  # the SDK's own library raises an OSError for a connection that breaks
        raise StackError(
            f"The volume {volume} could not be filled, and nothing was changed: {refused}",
            fix="`df -h` shows whether a disk is full; then run this again.",
            cause="restore-failed",
        ) from refused


def _empty_folder() -> Iterator[bytes]:
    folder = tarfile.TarInfo(INCOMING)
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as writer:
        writer.addfile(folder)
    yield archive.getvalue()


def _exchange(settings: Settings, keeper: Container) -> None:
    try:
        _run(keeper, "exchange")
    except StackError as stuck:
        raise StackError(
            f"The data could not be exchanged to its end. Nothing is lost, and the stack must not start as it is.\n"
            f"{stuck.message}",
            fix="python3 scripts/up.py   ends the exchange, and starts the stack.",
            cause="restore-interrupted",
        ) from stuck
    forget(settings)


def _is_newer(one: str, other: str) -> bool:
    try:
        return Version(one) > Version(other)
    except InvalidVersion:
        return False


def _note(settings: Settings, phase: str, made: Sequence[str]) -> None:
    write_json(_note_file(settings), {"phase": phase, "made": list(made)})


def _note_file(settings: Settings) -> Path:
    return settings.state / "restore.json"
