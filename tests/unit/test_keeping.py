"""Backups made and put back, all or nothing: on an engine whose volumes are folders, wherever it fails."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container
from docker.types import Mount

from fakes import folder_engine
from fakes.folder_engine import FolderEngine
from stack import settings as settings_module
from stack.parts import containers, keeping
from stack.parts.disk import MB
from stack.parts.keeping import VOLUMES, beside, making
from stack.parts.keeping.archive import Reader
from stack.parts.keeping.inside import exchange
from stack.parts.keeping.inside.exchange import OURS
from stack.parts.keeping.shelf import machine
from stack.settings import Settings, load
from stack.tools.errors import StackError
from stack.tools.process import Finished
from stack.tools.progress import silent

VERSIONS = {"init": "", "chainlit": "2.12.0", "open-webui": "0.12.4"}
ENV = b"MODEL=auto\n"
RUN = beside.run
LONG_NAME = "x" * 200  # more than a tar archive's own header has room for
SECRETS = [name for name in VOLUMES if name.endswith("-secrets")]
Content = dict[str, dict[str, tuple[int, bytes]]]


class Stack:
    """Its settings, and the engine that holds its data."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.engine = FolderEngine(folder, VERSIONS)
        self.client = cast(DockerClient, self.engine)
        self.backups = folder / "backups"

    def fill(self, word: str) -> None:
        """People use it: secrets, databases, files, each with this word in it."""
        for name in VOLUMES:
            if not self.folder(name).exists():
                self.engine.volumes.create(self.name(name), {})
        for name in SECRETS:
            self.write(name, "secret", word, 0o400)
        self.say("chainlit-data", "chats.db", word)
        self.write("chainlit-data", "held-records.json", word)
        self.say("open-webui-data", "webui.db", word)
        self.write("open-webui-data", f"uploads/ärger {word} {LONG_NAME}.txt", word)
        self.folder("open-webui-data").chmod(0o700)

    def write(self, volume: str, path: str, text: str, mode: int = 0o644) -> None:
        file = self.folder(volume) / path
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def say(self, volume: str, database: str, word: str) -> None:
        with closing(sqlite3.connect(self.folder(volume) / database)) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS said (word TEXT)")
            db.execute("INSERT INTO said VALUES (?)", (word,))

    def content(self) -> Content:
        """Each file of each volume: its mode, and what is in it (of a database: what was said)."""
        return {name: self._files(self.folder(name)) for name in VOLUMES if self.folder(name).exists()}

    def content_of(self, volume: str) -> dict[str, tuple[int, bytes]]:
        return self._files(self.folder(volume))

    def make(self, **more: Any) -> Path:
        return keeping.make(self.settings, self.client, self.backups, silent, **more)

    def restore(self, file: Path, **more: Any) -> keeping.Checked:
        return keeping.restore(self.settings, self.client, file, silent, **more)

    def finish(self) -> bool:
        return keeping.finish(self.settings, self.client)

    def assert_tidy(self) -> None:
        """No container, no note, nothing of ours in a volume."""
        assert self.engine.containers.all == []
        assert not (self.settings.state / "restore.json").exists()
        assert not [path for path in self.engine.folder.rglob("*") if path.name in OURS]

    def folder(self, volume: str) -> Path:
        return self.engine.folder / "engine" / self.name(volume)

    def name(self, volume: str) -> str:
        return f"{self.settings.compose_project_name}_{volume}"

    def _files(self, folder: Path) -> dict[str, tuple[int, bytes]]:
        return {
            str(path.relative_to(folder)): (path.stat().st_mode & 0o7777, _read(path))
            for path in (folder, *folder.rglob("*"))
            if not set(path.relative_to(folder).parts) & set(OURS)
        }


def _read(path: Path) -> bytes:
    if path.suffix == ".db":
        with closing(sqlite3.connect(path)) as db:
            return repr(db.execute("SELECT word FROM said").fetchall()).encode()
    return path.read_bytes() if path.is_file() else b""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs run here, and this clone's `.env` is one of the test's own."""
    monkeypatch.setattr(beside, "run", folder_engine.run)
    monkeypatch.setattr(containers, "stop", lambda _: None)
    monkeypatch.setattr(settings_module, "USER_FILE", tmp_path / ".env")
    return tmp_path


@pytest.fixture
def stack(here: Path) -> Stack:
    """One that is used."""
    stack = new_stack(here / "one")
    stack.fill("before")
    return stack


def new_stack(folder: Path) -> Stack:
    """One that was never started."""
    folder.mkdir()
    return Stack(load().model_copy(update={"state_dir": folder / "state"}), folder)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(StackError) as told:
        work()
    return told.value.cause


# --- there and back ---


def test_all_of_it_comes_back(stack: Stack) -> None:
    left = stack.content()
    file = stack.make()
    stack.fill("after")
    assert stack.content() != left
    stack.restore(file, replace=True)
    assert stack.content() == left
    stack.assert_tidy()


def test_all_of_it_comes_to_another_machine_as_compose_would_have_made_it(stack: Stack, here: Path) -> None:
    other = new_stack(here / "other")
    checked = other.restore(stack.make(passphrase="several good words"), passphrase="several good words")
    assert other.content() == stack.content()
    assert checked.manifest.versions == {"chainlit": "2.12.0", "open-webui": "0.12.4"}
    for name in VOLUMES:
        assert other.engine.volumes.get(other.name(name)).labels == {
            "com.docker.compose.project": other.settings.compose_project_name,
            "com.docker.compose.volume": name,
        }
    other.assert_tidy()


def test_it_says_what_it_is(stack: Stack, here: Path) -> None:
    (here / ".env").write_bytes(ENV)
    file = stack.make()
    assert (file.parent, file.stat().st_mode & 0o777) == (stack.backups, 0o600)
    assert stack.backups.stat().st_mode & 0o777 == 0o700
    checked = keeping.check(file, silent)
    assert checked.env == ENV
    assert checked.manifest.project == stack.settings.compose_project_name
    assert set(checked.manifest.volumes) == set(VOLUMES)
    assert checked.manifest.left_out == ()
    assert [each.file for each in keeping.kept(stack.backups, checked.manifest.project)] == [file]


def test_a_volume_that_the_backup_does_not_know_is_empty_afterwards(stack: Stack) -> None:
    """What is there then is what was there when it was made."""
    gone = stack.name("monitor-secrets")
    stack.engine.volumes.get(gone).remove()
    file = stack.make()
    stack.fill("after")
    stack.restore(file, replace=True)
    assert list(stack.folder("monitor-secrets").iterdir()) == []
    assert stack.content()["gateway-secrets"]["secret"] == (0o400, b"before")


# --- refused ---


def test_where_there_is_data_it_must_be_told(stack: Stack) -> None:
    file = stack.make()
    stack.fill("after")
    before = stack.content()
    assert refused(lambda: stack.restore(file)) == "data-present"
    assert stack.content() == before
    stack.assert_tidy()


def test_volumes_that_are_empty_hold_no_data(stack: Stack, here: Path) -> None:
    other = new_stack(here / "other")
    for name in ("chainlit-data", "gateway-secrets"):
        other.engine.volumes.create(other.name(name), {})
    other.restore(stack.make())
    assert other.content() == stack.content()


def test_what_is_damaged_never_comes_to_the_engine(stack: Stack) -> None:
    file = stack.make()
    file.write_bytes(file.read_bytes()[:-1])
    calls: list[str] = []
    stack.engine.before_each = calls.append
    assert refused(lambda: stack.restore(file, replace=True)) == "backup-damaged"
    assert calls == []


@pytest.mark.parametrize(
    ("service", "version", "refusal"),
    [
        ("open-webui", "0.12.3", True),
        ("chainlit", "2.9.9", True),
        ("open-webui", "0.13", False),
        ("chainlit", "own", False),
    ],
)
def test_data_of_a_newer_program_is_refused(stack: Stack, service: str, version: str, refusal: bool) -> None:
    file = stack.make()
    stack.fill("after")
    before = stack.content()
    stack.engine.versions[service] = version
    if refusal:
        assert refused(lambda: stack.restore(file, replace=True)) == "data-newer"
        assert stack.content() == before
    else:
        stack.restore(file, replace=True)
        assert stack.content() != before
    stack.assert_tidy()


@pytest.mark.parametrize(
    ("theirs", "ours", "refusal"),
    [
        ("v0010_more", "v0009_before", True),
        ("v0009_before", "v0010_more", False),
        ("v0001_chats", "v0001_renamed", False),
        ("v0001_chats", "none", True),
    ],
)
def test_chats_in_newer_tables_are_refused(stack: Stack, theirs: str, ours: str, refusal: bool) -> None:
    """They are the stack's own, and change without a new Chainlit."""
    stack.engine.tables = theirs
    file = stack.make()
    assert keeping.check(file, silent).manifest.tables == {"chainlit": theirs}
    stack.engine.tables = ours
    if refusal:
        assert refused(lambda: stack.restore(file, replace=True)) == "data-newer"
    else:
        stack.restore(file, replace=True)
    stack.assert_tidy()


def test_a_stack_that_was_never_started_has_nothing(here: Path) -> None:
    stack = new_stack(here / "new")
    assert refused(stack.make) == "no-data"
    assert not stack.backups.exists()


@pytest.mark.parametrize("service", VERSIONS)
def test_without_an_image_it_says_what_brings_it(stack: Stack, service: str) -> None:
    del stack.engine.versions[service]
    assert refused(stack.make) == "image-missing"
    assert not stack.backups.exists()
    stack.assert_tidy()


def test_a_damaged_database_makes_no_backup(stack: Stack) -> None:
    file = stack.folder("open-webui-data") / "webui.db"
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * 4096)
    assert refused(stack.make) == "data-damaged"
    assert not stack.backups.exists()
    stack.assert_tidy()


def test_a_disk_without_room_makes_no_backup(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is to lie, or where the engine keeps copies of databases; it is looked at before those are made."""
    data = stack.folder("chainlit-data")
    looked: list[tuple[int, int]] = []

    def full(needs: dict[Path, int], what: str, otherwise: str) -> None:
        assert "--to" in otherwise
        assert set(needs) == {stack.backups, stack.engine.folder}
        looked.append((needs[stack.engine.folder], needs[stack.backups]))
        if len(looked) == 2:
            raise StackError(what, fix="", cause="disk-full")

    monkeypatch.setattr(making, "require_room", full)
    assert refused(stack.make) == "disk-full"
    assert not stack.backups.exists()
    first, second = looked
    assert first[0] == (data / "chats.db").stat().st_size
    assert first[0] < first[1] < MB
    assert (second[0], second[1] > first[1]) == (2 * first[0], True), "of both volumes"


def test_a_damaged_database_is_in_it_as_its_files_are_where_that_is_wanted(stack: Stack) -> None:
    file = stack.folder("open-webui-data") / "webui.db"
    file.write_bytes(file.read_bytes()[:5000])
    damaged = file.read_bytes()
    backup = stack.make(even_damaged=True)
    (missing,) = keeping.check(backup, silent).manifest.left_out
    assert "open-webui-data/webui.db" in missing
    file.unlink()
    stack.fill("after")
    stack.restore(backup, replace=True)
    assert file.read_bytes() == damaged
    assert stack.content_of("chainlit-data")["chats.db"][1] == b"[('before',)]"


def test_what_can_not_be_read_is_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.dumps({"unreadable": "cache: Permission denied"}).encode() + b"\n"
    monkeypatch.setattr(stack.engine.api, "exec_start", lambda *_, **__: iter([(None, said)]))
    monkeypatch.setattr(stack.engine.api, "exec_inspect", lambda _: {"ExitCode": 4})
    with pytest.raises(StackError, match=r"chainlit-data can't be read.*cache: Permission denied") as told:
        stack.make()
    assert told.value.cause == "data-unreadable"


def test_a_folder_that_is_a_file_is_told(stack: Stack) -> None:
    stack.backups.touch()
    assert refused(stack.make) == "folder-unusable"


def test_none_is_written_over_one_that_came_meanwhile(stack: Stack) -> None:
    def comes(name: str) -> None:
        if name == "get_archive":
            (draft,) = stack.backups.iterdir()
            (stack.backups / draft.name.removeprefix(".").removesuffix(".partial")).write_text("somebody's")
            stack.engine.before_each = lambda _: None

    stack.engine.before_each = comes
    assert refused(stack.make) == "folder-unusable"
    assert [file.read_text() for file in stack.backups.iterdir()] == ["somebody's"]


def test_a_disk_on_which_no_file_has_two_names_is_one_too(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    file = stack.make()
    assert list(stack.backups.iterdir()) == [file]
    keeping.check(file, silent)


def test_what_one_that_was_killed_has_left_goes_with_the_next(stack: Stack) -> None:
    """It holds secrets; others' drafts are others'."""
    file = stack.make()
    left = file.with_name(f".{file.name}.partial")
    others = [
        file.with_name(f".{file.name.replace(machine(), 'elsewhere')}.partial"),
        file.with_name(f".other-{file.name}.partial"),
        file.with_name(".a.partial"),
    ]
    for each in (left, *others):
        each.touch()
    new = stack.make()
    assert set(stack.backups.iterdir()) == {file, new, *others}


def test_where_owners_can_not_be_changed_it_is_made(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on FAT, or for root on NFS."""

    def refuse(_: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(making, "hand_over", refuse)
    keeping.check(stack.make(), silent)


# --- wherever it fails ---


class CrashError(BaseException):
    """The script is killed."""


def failing_at(number: int, error: BaseException, done: list[str]) -> Callable[[str], None]:
    """From the so-many-th call on, the engine is not there any more, or the script is not."""

    def call(name: str) -> None:
        done.append(name)
        if len(done) >= number:
            raise error

    return call


def restored_with_failures(
    here: Path, make_error: Callable[[], BaseException], *, used: bool
) -> Iterator[tuple[Stack, list[str], Content, Content]]:
    """After a restore that failed at each of its calls: the stack, what was done, its data before, and the backup's."""
    source = new_stack(here / "source")
    source.fill("backup")
    file = source.make()
    for number in range(1, 200):
        stack = new_stack(here / f"at-{number}")
        if used:
            stack.fill("present")
        before, done = stack.content(), list[str]()
        stack.engine.before_each = failing_at(number, make_error(), done)
        with suppress(StackError, APIError, CrashError):
            stack.restore(file, replace=True)
            assert number > 10
            return
        stack.engine.before_each = lambda _: None
        yield stack, done, before, source.content()
    raise AssertionError("it never ended")


@pytest.mark.parametrize("since", [False, True], ids=["", "used since"])
@pytest.mark.parametrize("used", [True, False], ids=["used", "new"])
def test_killed_anywhere_it_is_all_or_nothing_and_finish_tidies_up(here: Path, used: bool, since: bool) -> None:
    """Killed: what would be done afterwards is not done either. People may use the stack before somebody comes."""
    outcomes = set()
    for stack, done, before, backup in restored_with_failures(here, CrashError, used=used):
        committed = "run-exchange" in done
        if since and not committed:
            stack.fill("since")
        left = stack.content()
        stack.finish()
        beside.remove_left_over(stack.settings, stack.client)
        if committed:
            assert stack.content() == backup, done
        else:
            assert stack.content() == (left if since else before), done
        outcomes.add(committed)
        stack.assert_tidy()
    assert outcomes == {True, False}


@pytest.mark.parametrize("used", [True, False], ids=["used", "new"])
def test_where_the_engine_fails_nothing_has_changed_or_finish_ends_it(here: Path, used: bool) -> None:
    for stack, done, before, backup in restored_with_failures(here, lambda: APIError("no space left"), used=used):
        stack.finish()
        assert stack.content() == (backup if "run-exchange" in done else before), done
        stack.assert_tidy()


def test_a_volume_that_somebody_uses_stays(here: Path, stack: Stack) -> None:
    """Made for a restore that was killed, and empty; but containers of the stack have it by now."""
    other = new_stack(here / "other")
    file = stack.make()
    other.engine.before_each = failing_at(10, CrashError(), [])
    with pytest.raises(CrashError):
        other.restore(file)
    other.engine.before_each = lambda _: None
    mount = Mount("/data", other.name("chainlit-data"), type="volume")
    used = other.engine.containers.create("localhost/chainlit:1", labels={}, mounts=[mount])
    assert other.finish() is True
    assert set(other.engine.volumes.all) == {other.name("chainlit-data")}
    used.remove(force=True, v=True)
    other.assert_tidy()


def test_when_the_exchange_begins_it_is_said_so(stack: Stack) -> None:
    """From then on there is no way back, and what belongs to it stays."""
    file, decided, at = stack.make(), Event(), dict[str, bool]()
    stack.engine.before_each = lambda name: at.setdefault(name, decided.is_set()) and None
    stack.restore(file, replace=True, on_decision=decided.set)
    assert (at["put_archive"], at["run-exchange"]) == (False, True)


def test_what_runs_beside_does_not_hear_the_terminal(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def run(argv: Any, *, own_group: bool) -> Finished:
        asked.append((argv, own_group))
        return Finished(0, "done", "")

    monkeypatch.setattr(beside.process, "run", run)
    container = stack.engine.containers.create("localhost/chainlit:1", labels={}, mounts=[])
    assert RUN(cast(Container, container), ["true"]) == "done"
    assert asked == [(["docker", "exec", container.name, "true"], True)]


def test_an_exchange_that_stops_halfway_is_ended_and_not_undone(stack: Stack) -> None:
    """Some volumes hold the new by then, and the others the old."""
    file, left = stack.make(), stack.content()
    stack.fill("after")

    def stops(name: str) -> None:
        if name == "run-exchange":
            exchange._let_in(stack.folder("chainlit-data"))
            raise StackError("the disk fails", fix="", cause="program-failed")

    stack.engine.before_each = stops
    assert refused(lambda: stack.restore(file, replace=True)) == "restore-interrupted"
    stack.engine.before_each = lambda _: None
    assert stack.finish() is True
    assert stack.content() == left
    stack.assert_tidy()
    assert stack.finish() is False


def test_what_lies_about_of_another_restore_is_in_no_backup_and_goes(stack: Stack) -> None:
    """Its note is lost, as when somebody has removed `.state`."""
    left = stack.content()
    for name in VOLUMES:
        stack.write(name, f"{exchange.INCOMING}/stale", "stale")
    file = stack.make()
    assert not [each for each in _names(file) if "stale" in each]
    stack.fill("after")
    stack.restore(file, replace=True)
    assert stack.content() == left
    stack.assert_tidy()


def _names(file: Path) -> list[str]:
    with file.open("rb") as content:
        return [each.info.name for each in Reader(content).entries()]


def test_without_a_note_there_is_nothing_to_finish(stack: Stack) -> None:
    calls: list[str] = []
    stack.engine.before_each = calls.append
    assert stack.finish() is False
    assert calls == []


def test_a_backup_that_is_interrupted_leaves_nothing(here: Path) -> None:
    for number in range(1, 100):
        stack = new_stack(here / f"at-{number}")
        stack.fill("before")
        done: list[str] = []
        stack.engine.before_each = failing_at(number, KeyboardInterrupt(), done)
        try:
            stack.make()
        except KeyboardInterrupt:
            assert not stack.backups.exists() or list(stack.backups.iterdir()) == []
            stack.engine.before_each = lambda _: None
            stack.assert_tidy()
        else:
            assert number > 8
            return


# --- an engine that loses what programs print, as a busy one does ---


def test_a_version_that_is_lost_is_asked_again(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = folder_engine.run, list[Any]()

    def run(container: Any, argv: Any) -> str:
        asked.append(argv)
        return real(container, argv) if len(asked) % 2 == 0 else ""

    monkeypatch.setattr(beside, "run", run)
    assert keeping.check(stack.make(), silent).manifest.versions == {"chainlit": "2.12.0", "open-webui": "0.12.4"}
    assert len(asked) == 6, "two versions, and the chat's tables"


@pytest.mark.parametrize("lost", [0, 1, -1])
def test_a_piece_of_a_volume_that_is_lost_makes_no_backup(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    real = stack.engine.api.exec_start

    def exec_start(name: str, **options: Any) -> Iterator[Any]:
        pieces = list(real(name, **options))
        printed = [at for at, (out, _) in enumerate(pieces) if out]
        del pieces[printed[lost]]
        yield from pieces

    monkeypatch.setattr(stack.engine.api, "exec_start", exec_start)
    assert refused(stack.make) == "program-failed"
    assert list(stack.backups.iterdir()) == []


@pytest.mark.parametrize("call", ["exec_start", "get_archive"])
def test_a_connection_to_the_engine_that_breaks_is_no_fault_of_the_folder(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def pieces() -> Iterator[Any]:
        yield from ()
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    if call == "exec_start":
        monkeypatch.setattr(stack.engine.api, "exec_start", lambda *_, **__: pieces())
    else:
        monkeypatch.setattr(folder_engine.FolderContainer, "get_archive", lambda *_: (pieces(), None))
    assert refused(stack.make) == "program-failed"
    stack.assert_tidy()


def test_what_is_told_last_may_come_first(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output and errors come by two ways."""
    real = stack.engine.api.exec_start

    def exec_start(name: str, **options: Any) -> Iterator[Any]:
        pieces = list(real(name, **options))
        yield from (each for each in pieces if each[1])
        yield from (each for each in pieces if each[0])
        raise AssertionError("and what comes after the end is not waited for")

    monkeypatch.setattr(stack.engine.api, "exec_start", exec_start)
    left = stack.content()
    file = stack.make()
    stack.fill("after")
    stack.restore(file, replace=True)
    assert stack.content() == left
