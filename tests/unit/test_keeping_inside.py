"""What runs inside containers: a volume read while somebody writes, and exchanged for another, wherever that stops."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stack.parts.keeping.inside import exchange, read_volume
from stack.parts.keeping.inside.exchange import ARRIVING, INCOMING, OURS, OUTGOING

PROGRAM = Path(read_volume.__file__)
ROWS = 20_000  # of a database that is not copied between two writes

# Each transaction makes one row in each of two tables, and a large one now and then so that the log is taken in.
WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
db.execute(f"PRAGMA journal_mode={sys.argv[2]}")
db.execute("PRAGMA wal_autocheckpoint=20")
for number in range(10**9):
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO questions VALUES (?, ?)", (number, "q" * (number % 5000)))
    db.execute("INSERT INTO answers VALUES (?, ?)", (number, "a" * (number % 5000)))
    db.execute("COMMIT")
    print(number, flush=True)
"""

KILLED = """
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA journal_mode=WAL")
for table in ("questions", "answers"):
    db.execute(f"INSERT INTO {table} VALUES (7, NULL)")
db.commit()
os._exit(9)
"""


def database(path: Path, rows: int = 2000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db, db:
        for table in ("questions", "answers"):
            db.execute(f"CREATE TABLE {table} (number INTEGER, text TEXT)")
            db.executemany(f"INSERT INTO {table} VALUES (?, ?)", ((-each - 1, "x" * 500) for each in range(rows)))  # noqa: S608
    return path


def rows(content: bytes, folder: Path) -> dict[str, set[int]]:
    """The numbers in both tables of a database; it is whole, and alone."""
    file = folder / "read.db"
    file.write_bytes(content)
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        return {
            table: {number for (number,) in db.execute(f"SELECT number FROM {table}")}  # noqa: S608
            for table in ("questions", "answers")
        }


class Volume:
    """A folder as the volume, and the program that reads it, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.source, self.scratch, self._folder = folder / "source", folder / "scratch", folder
        self.source.mkdir()
        self.scratch.mkdir()

    def read(self, *, even_damaged: bool = False) -> tuple[int, dict[str, tarfile.TarInfo], dict[str, bytes], str]:
        """Exit code, entries, contents, and what it told."""
        shutil.rmtree(self.scratch)
        self.scratch.mkdir()
        places = f"Path({str(self.source)!r}), Path({str(self.scratch)!r})"
        text = PROGRAM.read_text().replace('Path("/source"), Path("/data")', places)
        text = text.replace("PAGES = 4096", "PAGES = 20")  # so that there is time to write in between
        text = text.replace("signal.pause()", "None")
        told = json.dumps({"uploads": ["uploads"], "skip": OURS, "even_damaged": even_damaged})
        done = subprocess.run([sys.executable, "-I", "-c", text, told], capture_output=True, timeout=60, check=False)
        entries: dict[str, tarfile.TarInfo] = {}
        contents: dict[str, bytes] = {}
        if done.returncode == 0:
            with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
                for each in archive:
                    entries[each.name] = each
                    if each.isfile() and (file := archive.extractfile(each)):
                        contents[each.name] = file.read()
        return done.returncode, entries, contents, done.stderr.decode()


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


@pytest.fixture(params=["WAL", pytest.param("DELETE", marks=pytest.mark.full)])
def writer(volume: Volume, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """Somebody who writes into chats.db all the time."""
    file = database(volume.source / "chats.db", ROWS)
    argv = [sys.executable, "-c", WRITER, str(file), request.param]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "0\n"
        yield process
        process.kill()


def test_a_database_is_as_it_was_at_one_moment_while_somebody_writes(
    volume: Volume, writer: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert writer.stdout
    seen = 0
    for _ in range(4):
        while (number := int(writer.stdout.readline())) < seen + 20:
            pass
        code, entries, contents, told = volume.read()
        assert code == 0, told
        assert set(entries) == {".", "chats.db"}, "and nothing of what SQLite keeps beside it"
        found = rows(contents["chats.db"], tmp_path)
        assert found["questions"] == found["answers"]
        newest = max(found["questions"])
        assert newest >= number, "what was stored before it began is in it"
        assert found["questions"] == set(range(-ROWS, newest + 1))
        seen = newest
    assert writer.poll() is None, "and who writes is not disturbed"


def test_what_was_stored_last_is_there_when_nobody_runs(volume: Volume, tmp_path: Path) -> None:
    """A program that was killed leaves it in the log beside the database."""
    file = database(volume.source / "chats.db", rows=1)
    subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert file.with_name("chats.db-wal").stat().st_size > 0
    _, _, contents, _ = volume.read()
    assert rows(contents["chats.db"], tmp_path)["questions"] == {-1, 7}


def test_files_of_users_come_as_they_are_even_databases(volume: Volume) -> None:
    theirs = database(volume.source / "uploads" / "their.db").read_bytes()
    (volume.source / "uploads" / "their.db-wal").write_bytes(b"a user's, too")
    (volume.source / "uploads" / "large").write_bytes(os.urandom(2_500_000))
    (volume.source / "uploads" / "ärger.txt").write_text("Grüße")
    (volume.source / "uploads" / "empty").touch()
    code, _, contents, told = volume.read()
    assert code == 0, told
    assert contents["uploads/their.db"] == theirs
    assert contents == {
        str(file.relative_to(volume.source)): file.read_bytes() for file in volume.source.rglob("*") if file.is_file()
    }


def test_rights_links_and_empty_folders_come_too_and_what_can_not_be_kept_does_not(volume: Volume) -> None:
    (volume.source / "cache" / "none").mkdir(parents=True, mode=0o750)
    (volume.source / "private").write_text("x")
    (volume.source / "private").chmod(0o400)
    (volume.source / "same").hardlink_to(volume.source / "private")
    (volume.source / "link").symlink_to("nowhere/at/all")
    (volume.source / "to-file").symlink_to("private")
    os.mkfifo(volume.source / "pipe")
    volume.source.chmod(0o700)
    code, entries, contents, told = volume.read()
    assert code == 0, told
    assert set(entries) == {".", "cache", "cache/none", "private", "same", "link", "to-file"}
    assert entries["."].mode & 0o7777 == 0o700
    assert entries["cache/none"].isdir()
    assert entries["cache/none"].mode & 0o7777 == 0o750
    assert entries["private"].mode & 0o7777 == 0o400
    assert contents["private"] == contents["same"] == b"x"
    assert (entries["link"].issym(), entries["link"].linkname) == (True, "nowhere/at/all")
    assert (entries["to-file"].issym(), entries["to-file"].linkname) == (True, "private")


def test_what_a_restore_has_laid_there_is_no_data(volume: Volume) -> None:
    for name in OURS:
        (volume.source / name).mkdir()
        database(volume.source / name / "chats.db", rows=1)
    (volume.source / "sub" / INCOMING).mkdir(parents=True)
    _, entries, _, _ = volume.read()
    assert set(entries) == {".", "sub", f"sub/{INCOMING}"}


def _in_the_middle(whole: bytes) -> bytes:
    return whole[: 20 * 4096] + b"\xff" * 4096 * 3 + whole[23 * 4096 :]


def _cut(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def _nearly_nothing(whole: bytes) -> bytes:
    return whole[:50]


def _odd_page_size(whole: bytes) -> bytes:
    return whole[:16] + b"\xff\xff" + whole[18:]


def _odd_form(whole: bytes) -> bytes:
    return whole[:44] + b"\0\0\0\x63" + whole[48:]


def _no_tables(whole: bytes) -> bytes:
    return whole[:100] + b"\xff" * 3000 + whole[3100:]


@pytest.mark.parametrize("damage", [_in_the_middle, _cut, _nearly_nothing, _odd_page_size, _odd_form, _no_tables])
def test_a_damaged_database_is_told_and_nothing_is_written(volume: Volume, damage: Callable[[bytes], bytes]) -> None:
    file = database(volume.source / "chats.db")
    file.write_bytes(damage(file.read_bytes()))
    code, entries, _, told = volume.read()
    assert code == read_volume.DAMAGED, told
    assert '"damaged": "chats.db: ' in told
    assert "Traceback" not in told
    assert entries == {}


@pytest.mark.parametrize("damage", [_in_the_middle, _cut])
def test_it_is_taken_as_its_files_are_where_that_is_wanted(
    volume: Volume, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = database(volume.source / "chats.db")
    subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    file.write_bytes(damage(file.read_bytes()))
    database(volume.source / "whole.db", rows=1)
    code, _, contents, told = volume.read(even_damaged=True)
    assert code == 0, told
    assert '"damaged": "chats.db: ' in told
    assert rows(contents.pop("whole.db"), tmp_path)["questions"] == {-1}
    left = {file.name: file.read_bytes() for file in volume.source.glob("chats.db*")}
    assert contents == left, "with the log beside it, where SQLite could not take that in"
    assert ("chats.db-wal" in contents) == (damage is _cut)


def test_somebody_who_holds_a_database_for_long_is_no_damage(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    file = database(volume.source / "chats.db", rows=1)
    monkeypatch.setattr(read_volume, "WAIT_SECONDS", 0.01)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            read_volume.snapshot(file, volume.scratch / "copy", lambda **_: None)


def test_rows_that_break_a_rule_are_no_damage(volume: Volume) -> None:
    """As after a program has changed its rules, with rows of before."""
    file = volume.source / "chats.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE said (word TEXT, size INTEGER CHECK (size > 0))")
        db.execute("CREATE UNIQUE INDEX words ON said (size)")
        db.execute("PRAGMA ignore_check_constraints=ON")
        db.executemany("INSERT INTO said VALUES (?, ?)", [(None, -1), ("x", -2)])
        db.commit()
        db.execute("PRAGMA writable_schema=ON")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, 'word TEXT', 'word TEXT NOT NULL') WHERE name = 'said'")
        db.commit()
    with closing(sqlite3.connect(file)) as db:
        found = [finding for (finding,) in db.execute("PRAGMA integrity_check")]
    assert any("NULL value in" in each for each in found)
    assert any("CHECK constraint" in each for each in found)
    code, entries, _, told = volume.read()
    assert code == 0, told
    assert "chats.db" in entries
    assert "CHECK constraint failed in said" in told


def test_it_says_first_what_it_needs(volume: Volume) -> None:
    file = database(volume.source / "chats.db")
    subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    (volume.source / "uploads").mkdir()
    (volume.source / "uploads" / "large").write_bytes(bytes(2_000_000))
    databases = sum(each.stat().st_size for each in volume.source.glob("chats.db*"))
    *_, told = volume.read()
    first = json.loads(told.splitlines()[0])
    assert first["databases"] == databases
    assert databases + 2_000_000 <= first["all"] <= databases + 2_000_000 + 2 * 4096, "and the two folders"


@pytest.mark.parametrize(("owner", "what"), [(os, "scandir"), (Path, "open")], ids=["folder", "file"])
@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError])
def test_what_it_may_not_read_is_told_and_what_went_meanwhile_is_left_out(
    volume: Volume, monkeypatch: pytest.MonkeyPatch, owner: Any, what: str, error: type[OSError]
) -> None:
    (volume.source / "private").mkdir()
    (volume.source / "private" / "secret").write_text("x")
    refused = volume.source / ("private/secret" if what == "open" else "private")
    real = getattr(owner, what)

    def refuse(path: Any, *arguments: Any) -> Any:
        if Path(path) == refused:
            raise error(13, "not for you", str(path))
        return real(path, *arguments)

    monkeypatch.setattr(owner, what, refuse)
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO()))
    code = read_volume.main(volume.source, volume.scratch, {"uploads": [], "skip": OURS, "even_damaged": False})
    told = f'"unreadable": "{refused.relative_to(volume.source)}: not for you"' in said.getvalue()
    assert (code, told) == ((read_volume.UNREADABLE, True) if error is PermissionError else (0, False))


def test_a_file_that_goes_meanwhile_is_left_out(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        (volume.source / name).write_text(name)
    out = io.BytesIO()

    def tell(**what: Any) -> None:
        (volume.source / "b").unlink(missing_ok=True)

    read_volume.write(volume.source, {}, (), out, tell)
    out.seek(0)
    with tarfile.open(fileobj=out) as archive:
        assert archive.getnames() == [".", "a", "c"]


# --- the exchange ---

OLD = {"first": {"chats.db": "old", "uploads/a": "old a"}, "second": {"token": "old"}, "third": {}}
NEW = {
    "first": {"chats.db": "new", "uploads/b": "new b"},
    "second": {"token": "new", "key": "new"},
    "third": {"x": "new"},
}
Content = dict[str, dict[str, str]]


def lay(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def content(volumes: Path) -> Content:
    """All that is there, of ours too."""
    return {
        each.name: {str(file.relative_to(each)): file.read_text() for file in each.rglob("*") if file.is_file()}
        for each in sorted(volumes.iterdir())
    }


@pytest.fixture
def volumes(tmp_path: Path) -> Callable[[], Path]:
    """Makes three volumes with something old in them, and something new laid beside it."""

    def make() -> Path:
        shutil.rmtree(tmp_path / "volumes", ignore_errors=True)
        for name, old in OLD.items():
            lay(tmp_path / "volumes" / name, old)
            lay(tmp_path / "volumes" / name / INCOMING, NEW[name])
            (tmp_path / "volumes" / name / INCOMING).chmod(0o710)
        return tmp_path / "volumes"

    return make


class CrashError(Exception):
    """The power is gone."""


@pytest.fixture
def crash_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """From the so-many-th change to the disk on, nothing happens any more."""
    left = [0]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise CrashError
            return real(*arguments, **named)

        return step

    for owner, name in (
        (Path, "rename"),
        (Path, "mkdir"),
        (Path, "rmdir"),
        (Path, "chmod"),
        (os, "chown"),
        (shutil, "rmtree"),
    ):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))

    def at(step: int) -> None:
        left[0] = step

    return at


def crashes(volumes: Callable[[], Path], crash_at: Callable[[int], None]) -> Iterator[Path]:
    """The volumes after an exchange that stopped at each of its steps."""
    for step in range(1, 1000):
        crash_at(0)
        folder = volumes()
        crash_at(step)
        try:
            exchange.exchange(folder)
        except CrashError:
            crash_at(0)
            yield folder
        else:
            assert step > 15
            return


def test_the_new_takes_the_place_of_the_old(volumes: Callable[[], Path]) -> None:
    folder = volumes()
    assert exchange.filled(folder) == ["first", "second"]
    exchange.exchange(folder)
    assert content(folder) == NEW
    assert not [path for path in folder.rglob(".*") if path.name in OURS]
    assert {each.stat().st_mode & 0o7777 for each in folder.iterdir()} == {0o710}
    assert exchange.filled(folder) == ["first", "second", "third"]
    exchange.exchange(folder)
    assert content(folder) == NEW, "and a second time does nothing"


def test_what_was_laid_there_is_dropped(volumes: Callable[[], Path]) -> None:
    folder = volumes()
    exchange.clear(folder)
    assert content(folder) == OLD


def test_stopped_anywhere_it_is_ended_by_running_it_again(
    volumes: Callable[[], Path], crash_at: Callable[[int], None]
) -> None:
    for folder in crashes(volumes, crash_at):
        exchange.exchange(folder)
        assert content(folder) == NEW


def test_stopped_anywhere_each_volume_can_be_made_one_thing_again(
    volumes: Callable[[], Path], crash_at: Callable[[int], None]
) -> None:
    """Where nobody knows any more that an exchange was under way."""
    for folder in crashes(volumes, crash_at):
        exchange.clear(folder)
        for name, found in content(folder).items():
            assert found in (OLD[name], NEW[name])


def test_stopped_twice_it_is_ended_too(volumes: Callable[[], Path], crash_at: Callable[[int], None]) -> None:
    for folder in crashes(volumes, crash_at):
        for step in (1, 2, 3, 5):
            crash_at(step)
            try:
                exchange.exchange(folder)
            except CrashError:
                continue
            break
        crash_at(0)
        exchange.exchange(folder)
        assert content(folder) == NEW


def test_names_of_the_phases_are_hidden_and_different() -> None:
    assert len({INCOMING, ARRIVING, OUTGOING}) == len(OURS) == 3
    assert all(name.startswith(".") for name in OURS)
