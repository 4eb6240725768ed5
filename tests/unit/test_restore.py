"""What `restore --replace` does in which order, and that a stack that ran runs again where it comes to nothing."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker.errors import APIError

from fakes.backups import MANIFEST
from stack.commands import restore
from stack.parts import containers, keeping, way_back
from stack.parts.containers import BUILT, SERVICE_LABEL
from stack.reports.stages import Stages
from stack.settings import Settings
from stack.tools.errors import StackError

RUNNING = {"chainlit", "gateway"}


class Stack:
    """A stack of which some services run; what is done to it is written down in `done`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.running = set(RUNNING)
        self.done: list[str] = []
        self.fails: dict[str, BaseException] = {}
        self.decided = Event()

    def do(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise self.fails.pop(what)

    def stop(self, _: Settings) -> None:
        self.running = set()
        self.do("stop")

    def start(self, *_: Any) -> None:
        self.do("start")
        self.running = set(RUNNING)

    def of_project(self, *_: Any) -> list[Any]:
        return [
            SimpleNamespace(labels={SERVICE_LABEL: each}, status="running" if each in self.running else "exited")
            for each in BUILT
        ]

    def put_back(self, *_: Any, on_decision: Any, **__: Any) -> None:
        self.do("restore")
        self.running = set()
        on_decision()
        self.do("exchange")

    def restore(self, *, no_backup: bool = False, phrase: str | None = None) -> bool:
        backup = restore.Backup(Path("/a/backup"), phrase, keeping.Checked(MANIFEST, None, 0, 0))
        arguments = Namespace(yes=True, replace=True, no_backup=no_backup)
        return restore._restore(self.settings, Stages(), backup, arguments, self.decided)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stack:
    stack = Stack(Settings(state_dir=tmp_path))  # type: ignore[call-arg]
    monkeypatch.setattr(restore, "ensure_engine", lambda **_: None)
    monkeypatch.setattr(restore, "client", lambda: cast(Any, None))
    monkeypatch.setattr(containers, "images", lambda *_: list(BUILT))
    monkeypatch.setattr(containers, "has_volume", lambda *_: True)
    monkeypatch.setattr(keeping, "refuse_newer", lambda *_: stack.do("newer?"))
    monkeypatch.setattr(keeping, "restore", stack.put_back)
    monkeypatch.setattr(restore, "back_up", lambda *_: stack.do("backup"))
    monkeypatch.setattr(way_back, "keep_names", lambda *_: stack.do("names"))
    for name in ("stop", "start", "of_project"):
        monkeypatch.setattr(containers, name, getattr(stack, name))
    return stack


def test_nobody_says_anything_after_the_backup_of_what_is_replaced(stack: Stack) -> None:
    assert stack.restore() is True
    assert stack.done == ["names", "newer?", "stop", "backup", "restore", "exchange"]


@pytest.mark.parametrize("step", ["stop", "backup", "restore"])
@pytest.mark.parametrize("error", [StackError("no", fix="", cause="no"), KeyboardInterrupt()], ids=["error", "Ctrl-C"])
def test_where_it_comes_to_nothing_what_ran_runs_again(stack: Stack, step: str, error: BaseException) -> None:
    stack.fails[step] = error
    with pytest.raises(type(error)):
        stack.restore()
    assert stack.done[0] == "names", "of the images that they are made from"
    assert stack.done[-2:] == [step, "start"]
    assert stack.running == RUNNING


@pytest.mark.parametrize(
    "error", [StackError("not well", fix="", cause="containers-failed"), APIError("gone")], ids=["error", "engine"]
)
def test_what_does_not_start_hides_no_error(stack: Stack, error: Exception) -> None:
    stack.fails["backup"] = StackError("no room", fix="", cause="disk-full")
    stack.fails["start"] = error
    with pytest.raises(StackError, match="no room"):
        stack.restore()


def test_a_stack_whose_data_is_half_exchanged_does_not_start(stack: Stack) -> None:
    stack.fails["exchange"] = StackError("stuck", fix="", cause="restore-interrupted")
    with pytest.raises(StackError, match="stuck"):
        stack.restore()
    assert stack.done[-1] == "exchange"


def test_data_that_is_too_new_stops_nobody(stack: Stack) -> None:
    stack.fails["newer?"] = StackError("newer", fix="", cause="data-newer")
    with pytest.raises(StackError, match="newer"):
        stack.restore()
    assert stack.done == ["names", "newer?"]


def test_what_opens_the_backup_of_what_is_replaced_is_told(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    for phrase in (None, "several good words"):
        stack.restore(phrase=phrase)
        assert ("has the passphrase of the one that is put back" in capsys.readouterr().out) == (phrase is not None)


def test_without_a_backup_it_runs_until_all_is_there(stack: Stack) -> None:
    stack.fails["restore"] = StackError("no", fix="", cause="no")
    with pytest.raises(StackError):
        stack.restore(no_backup=True)
    assert stack.done == ["names", "restore"]
