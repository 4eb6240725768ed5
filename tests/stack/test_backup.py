"""Backups of a stack of the tests' own: all that people left in it comes back, or nothing is changed at all."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker import DockerClient
from docker.types import Mount

from fakes import keepsakes
from fakes.chat_people import Person, another_user, first_user
from fakes.keepsakes import SECOND
from fakes.waiting import wait_until
from faults.own_stack import GREEN, Ended, OwnStack, own_stack
from stack.parts import containers, keeping
from stack.parts.containers import PROJECT_LABEL, SERVICE_LABEL
from stack.parts.keeping import putting_back
from stack.parts.keeping.archive import Reader
from stack.parts.keeping.inside.exchange import OURS
from stack.parts.state import read_json
from stack.settings import Settings
from stack.tools.errors import StackError
from stack.tools.process import run
from stack.tools.progress import silent

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

LONG = "Tell me a long story about a lighthouse, with every detail."
FILE = (f"ärger … {'x' * 180}.txt", os.urandom(300_000))  # more than a tar archive's own header has room for
PASSPHRASE = "correct horse battery staple"


class Kept:
    """A stack in which people left something, and a backup of that.

    Attributes:
        left: what they left, as it is found by signing in.
    """

    def __init__(self, stack: OwnStack) -> None:
        self.stack = stack
        self.settings = stack.settings
        self.file = Path()
        self.left: dict[str, Any] = {}
        self._upload = ""

    def leave(self) -> None:
        """Accounts, chats, preferences on both pages, and a file."""
        keepsakes.leave(self.settings)
        self._upload = self._post_file()
        self.left = self.found()

    def found(self) -> dict[str, Any]:
        """What is there now."""
        answer = httpx.get(f"{self._files}{self._upload}/content", headers=self._signed_in(), timeout=60)
        return {**keepsakes.find(self.settings), "file": (answer.status_code, answer.content)}

    def change(self) -> None:
        """One more chat."""
        first_user(self.settings).ask("And this?")
        assert self.found() != self.left

    def back_up(self, *arguments: str) -> Ended:
        """Make a backup, which is then the newest one."""
        ended = self.stack.run("backup", *arguments)
        assert ended.code == 0, ended.all
        self.file = max(self.backups(), key=lambda file: file.stat().st_mtime_ns)
        return ended

    def backups(self) -> list[Path]:
        """All that are there, unfinished ones too."""
        return list(self.settings.backups.iterdir())

    def volumes(self) -> dict[str, dict[str, object]]:
        """Each file of each volume: what is in it, and whose it is. (As root of the machine that the engine is on.)"""
        return {name: _files(_folder(self.stack, name)) for name in keeping.VOLUMES}

    def lives(self) -> dict[str, str]:
        """When each container was started."""
        found = self.stack.containers().items()
        return {name: each.attrs["State"]["StartedAt"] for name, each in found if name != "init"}

    @property
    def _files(self) -> str:
        return f"http://localhost:{self.settings.open_webui_port}/api/v1/files/"

    def _signed_in(self) -> dict[str, str]:
        page = f"http://localhost:{self.settings.open_webui_port}"
        body = {"email": SECOND[0], "password": SECOND[1]}
        token = httpx.post(f"{page}/api/v1/auths/signin", json=body, timeout=60).json()["token"]
        return {"Authorization": f"Bearer {token}"}

    def _post_file(self) -> str:
        answer = httpx.post(f"{self._files}?process=false", headers=self._signed_in(), files={"file": FILE}, timeout=60)
        assert answer.is_success, answer.text
        return str(answer.json()["id"])


@pytest.fixture(scope="module")
def kept(settings: Settings, engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """A running stack with something left in it, and a backup of that."""
    folder = tmp_path_factory.mktemp("kept")
    with own_stack(settings, engine, folder, backup_dir=folder / "backups") as stack:
        stack.up()
        kept = Kept(stack)
        kept.leave()
        kept.back_up()
        yield kept


def _folder(stack: OwnStack, volume: str) -> Path:
    return Path(stack.engine.volumes.get(f"{stack.project}_{volume}").attrs["Mountpoint"])


def _files(folder: Path) -> dict[str, object]:
    return {
        str(file.relative_to(folder)): (file.stat().st_uid, file.stat().st_mode, file.is_file() and file.read_bytes())
        for file in [folder, *folder.rglob("*")]
    }


def refused(ended: Ended, *, saying: str) -> None:
    assert ended.code == 2, ended.all
    assert saying in ended.err
    assert "Traceback" not in ended.all


# --- there and back ---


def test_after_everything_was_deleted_all_is_back(kept: Kept) -> None:
    kept.stack.down("--volumes", "--yes")
    assert kept.stack.volumes() == []
    ended = kept.stack.run("restore", str(kept.file), "--yes")
    assert ended.code == 0, ended.all
    assert not kept.stack.containers(), "what did not run before does not run now"
    kept.stack.up()
    assert kept.found() == kept.left


def test_what_is_there_is_not_replaced_unless_told(kept: Kept) -> None:
    kept.change()
    changed, lives = kept.found(), kept.lives()
    refused(kept.stack.run("restore", str(kept.file), "--yes"), saying="There is data here already")
    assert kept.lives() == lives
    assert kept.found() == changed

    before = set(kept.backups())
    ended = kept.stack.run("restore", kept.file.name, "--replace", "--yes")  # by its name in the folder
    assert ended.code in GREEN, ended.all
    assert "a real answer" in ended.out.lower(), "what ran before runs again"
    assert kept.found() == kept.left

    (safety,) = set(kept.backups()) - before
    ended = kept.stack.run("restore", str(safety), "--replace", "--no-backup", "--yes")
    assert ended.code in GREEN, ended.all
    assert kept.found() == changed, "what was replaced is not lost"
    assert set(kept.backups()) == {*before, safety}


def test_another_machine_gets_it_behind_a_passphrase(
    kept: Kept, settings: Settings, engine: DockerClient, tmp_path: Path
) -> None:
    """Another stack, with another name, other ports and nothing in it."""
    phrase = tmp_path / "passphrase"
    phrase.write_text(f"{PASSPHRASE}\n")
    kept.back_up("--to", str(tmp_path / "usb"), "--passphrase-file", str(phrase))
    (file,) = (tmp_path / "usb").iterdir()
    assert file.name.endswith(".encrypted.tar")
    left = kept.found()
    for secret in left["secrets"].values():
        assert secret.encode() not in file.read_bytes()
    with own_stack(settings, engine, tmp_path / "other", backup_dir=tmp_path / "other" / "backups") as other:
        refused(other.run("restore", str(file), "--yes"), saying="passphrase")
        wrong = tmp_path / "wrong"
        wrong.write_text(PASSPHRASE.upper())
        refused(other.run("restore", str(file), "--passphrase-file", str(wrong)), saying="not the passphrase")
        assert other.volumes() == []
        ended = other.run("restore", str(file), "--passphrase-file", str(phrase), "--yes")
        assert ended.code == 0, ended.all
        other.up()
        there = Kept(other)
        there._upload = kept._upload
        assert there.found() == left


def test_a_backup_while_a_chat_streams_holds_what_was_answered_before_it(kept: Kept) -> None:
    with another_user(kept.settings) as anna:
        before, after, errors = asyncio.run(_talked_meanwhile(kept, anna))
        assert errors == []
        now = _said(anna)
        assert len(now) > len(before)
        assert kept.found()["users of the chat"].count(anna.name) == 1
        ended = kept.stack.run("restore", str(kept.file), "--replace", "--no-backup", "--yes")
        assert ended.code in GREEN, ended.all
        then = _said(anna)
        assert before.items() <= then.items()
        assert set(then) <= set(now)
        assert after > 0, "the chat went on"


async def _talked_meanwhile(kept: Kept, anna: Person) -> tuple[dict[str, list[str]], int, list[str]]:
    """Talk all the while a backup is made: what was answered before it, how many after it began, and the errors."""
    errors: list[str] = []
    async with anna.opens_the_page() as page:
        errors += (await page.ask("What is the capital of France?")).errors
        before = await asyncio.to_thread(_said, anna)
        await page.begin(LONG)
        await page.first_text()
        making = asyncio.create_task(asyncio.to_thread(kept.back_up))
        after = 0
        while True:
            errors += (await page.end()).errors
            after += 1
            if making.done():
                break
            await page.begin(LONG)
        await making
    return before, after, errors


def _said(person: Person) -> dict[str, list[str]]:
    """Every message by its id."""
    chats = [person.messages(str(chat["id"])) for chat in person.chats()]
    return {each["id"]: [each["type"], each["output"]] for chat in chats for each in chat}


# --- nothing, where not all can be ---


def _cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def _altered(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


def _longer(content: bytes) -> bytes:
    return content + b"\n"


@pytest.mark.parametrize("damage", [_cut, _altered, _longer], ids=["cut", "altered", "longer"])
def test_a_damaged_backup_is_refused_and_changes_nothing(
    kept: Kept, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    file = tmp_path / kept.file.name
    file.write_bytes(damage(kept.file.read_bytes()))
    lives, backups = kept.lives(), set(kept.backups())
    secrets = {name: files for name, files in kept.volumes().items() if name.endswith("-secrets")}
    for arguments in (("--replace", "--yes"), ("--check",)):
        refused(kept.stack.run("restore", str(file), *arguments), saying="is no whole backup")
    assert kept.lives() == lives
    assert set(kept.backups()) == backups
    assert secrets.items() <= kept.volumes().items()


def test_one_that_is_altered_while_it_is_put_back_changes_nothing(
    kept: Kept, engine: DockerClient, tmp_path: Path
) -> None:
    """After it was checked, and when most of it lies beside the present data."""
    file = tmp_path / kept.file.name
    file.write_bytes(kept.file.read_bytes())
    checked = keeping.check(file, silent)
    file.write_bytes(file.read_bytes()[:-20])
    with down(kept):
        before = kept.volumes()
        with pytest.raises(StackError, match="no whole backup"):
            keeping.restore(kept.settings, engine, file, silent, replace=True, checked=checked)
        assert kept.volumes() == before
        assert not (kept.settings.state / "restore.json").exists()


def test_a_backup_of_newer_data_is_refused_and_changes_nothing(
    kept: Kept, engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with down(kept):
        before = kept.volumes()
        real = putting_back.beside.version_in
        older = {"open-webui": "0.0.1"}
        monkeypatch.setattr(
            putting_back.beside, "version_in", lambda container, each: older.get(each.service) or real(container, each)
        )
        with pytest.raises(StackError, match="can't read it") as told:
            keeping.restore(kept.settings, engine, kept.file, silent, replace=True)
        assert told.value.cause == "data-newer"
        assert kept.volumes() == before


def test_a_backup_that_has_no_room_leaves_nothing(kept: Kept, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    assert run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]).code == 0
    try:
        ended = kept.stack.run("backup", "--to", str(small))
        assert ended.code == 2, ended.all
        assert "room" in ended.err
        assert list(small.iterdir()) == []
    finally:
        assert run(["umount", str(small)]).code == 0


def test_a_damaged_database_is_not_backed_up_unless_told(kept: Kept, tmp_path: Path) -> None:
    backups = set(kept.backups())
    with down(kept):
        database = _folder(kept.stack, "chainlit-data") / "chats.db"
        with closing(sqlite3.connect(database)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = database.read_bytes()
        try:
            pages = bytearray(whole)
            pages[4096:8192] = b"\xff" * 4096
            database.write_bytes(bytes(pages))
            ended = kept.stack.run("backup")
            assert set(kept.backups()) == backups
            taken = kept.stack.run("backup", "--even-damaged", "--to", str(tmp_path))
            left = database.read_bytes()
        finally:
            database.write_bytes(whole)
    assert ended.code == 1, ended.all
    assert "damaged" in ended.err
    assert "--even-damaged" in ended.err
    assert taken.code == 0, taken.all
    assert "Not in it: a whole copy of a damaged database" in taken.out
    (file,) = tmp_path.iterdir()
    with file.open("rb") as content:
        found = [b"".join(each.content.pieces()) for each in Reader(content).entries() if each.path == "chats.db"]
    assert found == [left]


def test_what_the_services_own_user_can_not_read_makes_no_backup(kept: Kept) -> None:
    backups = set(kept.backups())
    private = _folder(kept.stack, "open-webui-data") / "of root"
    private.mkdir(mode=0o700)
    try:
        ended = kept.stack.run("backup")
    finally:
        private.rmdir()
    assert ended.code == 1, ended.all
    assert "open-webui-data can't be read, so no backup was made: of root" in ended.err
    assert set(kept.backups()) == backups


def test_where_what_is_here_can_not_be_backed_up_it_runs_again_as_it_was(kept: Kept, tmp_path: Path) -> None:
    file = tmp_path / kept.file.name
    file.write_bytes(kept.file.read_bytes())
    before, images = kept.found(), {name: each.attrs["Image"] for name, each in kept.stack.containers().items()}
    aside = kept.settings.backups.rename(tmp_path / "aside")
    kept.settings.backups.touch()  # a folder that is none
    try:
        ended = kept.stack.run("restore", str(file), "--replace", "--yes")
    finally:
        kept.settings.backups.unlink()
        aside.rename(kept.settings.backups)
    refused(ended, saying="could not be written to")
    assert "Starting the containers again, as they were: done" in ended.out
    assert {name: each.attrs["Image"] for name, each in kept.stack.containers().items()} == images
    assert kept.found() == before


# --- interrupted ---


def test_killed_while_it_fills_nothing_has_changed(kept: Kept) -> None:
    kept.change()
    changed = kept.found()
    _killed_in(kept, putting_back.FILLING)
    kept.stack.up()
    assert kept.found() == changed
    assert _left_over(kept) == []


def test_what_people_say_after_one_that_was_killed_stays(kept: Kept) -> None:
    """Into volumes that it had made, when somebody starts the stack without `up.py`, and stops it again."""
    kept.back_up()
    left = kept.found()
    kept.stack.down("--volumes", "--yes")
    _killed_in(kept, putting_back.FILLING)
    containers.start(kept.settings, silent)
    containers.stop(kept.settings)
    made = kept.volumes()
    kept.stack.up()
    assert _left_over(kept) == []
    now = kept.volumes()
    for name in ("gateway-secrets", "chainlit-secrets"):
        files = {path: content for path, content in made[name].items() if path.split("/")[0] not in OURS}
        assert files.items() <= now[name].items()
    assert "chats.db" in made["chainlit-data"]
    assert set(kept.stack.volumes()) >= {f"{kept.stack.project}_{each}" for each in keeping.VOLUMES}
    ended = kept.stack.run("restore", str(kept.file), "--replace", "--no-backup", "--yes")
    assert ended.code in GREEN, ended.all
    assert kept.found() == left


def test_what_a_killed_backup_has_left_keeps_no_volume(kept: Kept) -> None:
    kept.back_up()
    left = kept.found()
    backing = kept.stack.start("backup")
    wait_until(lambda: bool(_beside(kept)), 60)
    backing.tell(signal.SIGKILL, group=True)
    backing.process.wait()
    assert _beside(kept), "it came too late"
    kept.stack.down("--volumes", "--yes")
    assert kept.stack.volumes() == []
    assert _beside(kept) == []
    ended = kept.stack.run("restore", str(kept.file), "--yes")
    assert ended.code == 0, ended.all
    kept.stack.up()
    assert kept.found() == left
    kept.back_up()
    assert not [file for file in kept.backups() if file.name.startswith(".")], "and its draft goes with the next"


def test_a_volume_that_somebody_else_has_is_told(kept: Kept, engine: DockerClient) -> None:
    kept.back_up()
    left = kept.found()
    name = f"{kept.stack.project}_monitor-secrets"
    image = containers.image_of(kept.settings, "monitor")
    mount = Mount("/theirs", name, type="volume")
    theirs = engine.containers.create(image, labels={PROJECT_LABEL: "", SERVICE_LABEL: ""}, mounts=[mount])
    try:
        ended = kept.stack.run("down", "--volumes", "--yes")
    finally:
        theirs.remove(force=True)
    assert ended.code == 1, ended.all
    assert name in ended.err
    assert kept.stack.volumes() == [name]
    kept.stack.down("--volumes", "--yes")
    assert kept.stack.volumes() == []
    ended = kept.stack.run("restore", str(kept.file), "--yes")
    assert ended.code == 0, ended.all
    kept.stack.up()
    assert kept.found() == left


def test_ctrl_c_on_a_terminal_does_not_reach_the_exchange(kept: Kept) -> None:
    kept.back_up()
    left = kept.found()
    kept.change()
    restoring = kept.stack.start("restore", str(kept.file), "--replace", "--no-backup", "--yes")
    wait_until(lambda: _phase(kept) == putting_back.FILLING, 60)
    wait_until(lambda: _phase(kept) != putting_back.FILLING, 120)
    restoring.tell(signal.SIGINT, group=True)
    ended = restoring.end()
    assert ended.code in (130, *GREEN), ended.all
    assert _left_over(kept) == []
    kept.stack.up()
    assert kept.found() == left


def test_interrupted_in_the_exchange_up_ends_it(
    kept: Kept, engine: DockerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.back_up()
    left = kept.found()
    kept.change()
    with monkeypatch.context() as patch:
        patch.setattr(putting_back, "_exchange", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            keeping.restore(kept.settings, engine, kept.file, silent, replace=True)
    ended = kept.stack.up()
    assert "A restore that was interrupted is ended." in ended.out
    assert kept.found() == left
    assert _left_over(kept) == []


def test_ctrl_c_leaves_what_was_there(kept: Kept) -> None:
    before = kept.found()
    restoring = kept.stack.start("restore", str(kept.file), "--replace", "--no-backup", "--yes")
    wait_until(lambda: _phase(kept) == putting_back.FILLING, 60)
    restoring.tell(signal.SIGINT)
    ended = restoring.end()
    if ended.code in GREEN:  # it came too late, and all is back
        assert _left_over(kept) == []
        return
    assert ended.code == 130, ended.all
    assert _left_over(kept) == []
    kept.stack.up()
    assert kept.found() == before


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _killed_in(kept: Kept, phase: str) -> None:
    restoring = kept.stack.start("restore", str(kept.file), "--replace", "--no-backup", "--yes")
    wait_until(lambda: _phase(kept) == phase, 60)
    restoring.tell(signal.SIGKILL, group=True)
    restoring.process.wait()
    assert _phase(kept) == phase, "it came too late"


def _phase(kept: Kept) -> str | None:
    note = read_json(kept.settings.state / "restore.json")
    return str(note["phase"]) if note else None


def _left_over(kept: Kept) -> list[str]:
    """What a restore uses and must not leave."""
    laid = [f"{name}/{file}" for name, files in kept.volumes().items() for file in files if file in OURS]
    note = [file.name for file in kept.settings.state.glob("restore.json")]
    return [*_beside(kept), *laid, *note]


def _beside(kept: Kept) -> list[str]:
    label = f"{putting_back.beside.OURS}={kept.stack.project}"
    return [str(each.name) for each in kept.stack.engine.containers.list(all=True, filters={"label": label})]


@contextmanager
def down(kept: Kept) -> Iterator[None]:
    """The stack is stopped meanwhile."""
    with ExitStack() as again:
        containers.stop(kept.settings)
        again.callback(kept.stack.up)
        yield


# --- the folder ---


def test_so_many_are_kept_as_told_and_shown(kept: Kept) -> None:
    kept.back_up()
    ended = kept.back_up("--keep", "2")
    assert "Removed, as the oldest" in ended.out
    assert len(kept.backups()) == 2
    assert {file.stat().st_mode & 0o777 for file in kept.backups()} == {0o600}
    listed = kept.stack.run("backup", "--list")
    assert listed.code == 0, listed.all
    lines = listed.out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == sorted((file.name for file in kept.backups()), reverse=True)
    assert all("open-webui 0." in line and "chainlit 2." in line for line in lines)


def test_without_a_stack_there_is_nothing_to_back_up(settings: Settings, engine: DockerClient, tmp_path: Path) -> None:
    with own_stack(settings, engine, tmp_path, backup_dir=tmp_path / "backups") as stack:
        refused(stack.run("backup"), saying="There is nothing to back up")
        listed = stack.run("backup", "--list")
        assert listed.code == 1
        assert "There are no backups" in listed.err
