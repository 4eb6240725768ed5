"""`backup` and `restore` as far as they need no engine: what is listed, what is refused, whose settings count."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from fakes.backups import MANIFEST, on_disk, written
from stack import settings as module
from stack.commands import backup, restore
from stack.parts import keeping, way_back
from stack.parts.keeping.shelf import machine
from stack.parts.state import write_json
from stack.reports.stages import Stages
from stack.settings import DEFAULTS_FILE, Settings, default_values
from stack.tools.errors import StackError

Run = Callable[..., int]
PLAIN = f"{MANIFEST.project}-{machine()}-20261127-131502.tar.zst"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone without a `.env`, in whose `backups` one lies; no knob comes from the environment."""
    for key in default_values():
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "USER_FILE", tmp_path / ".env")
    monkeypatch.setitem(Settings.model_config, "env_file", (DEFAULTS_FILE, tmp_path / ".env"))
    (tmp_path / "backups").mkdir()
    on_disk(tmp_path / "backups", written(env=None), PLAIN)
    return tmp_path


@pytest.fixture
def run(here: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one of the two with arguments; its exit code."""

    def run(command: Any, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["x.py", *arguments])
        return int(command.main())

    return run


@pytest.fixture
def restored(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings with which something was restored; nothing really is."""
    with_settings: list[Settings] = []

    def restore_(settings: Settings, *_: object) -> bool:
        with_settings.append(settings)
        return False

    monkeypatch.setattr(restore, "_restore", restore_)
    return with_settings


def test_what_there_is_is_listed(here: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    on_disk(here / "backups", b"key.age...", f"{MANIFEST.project}-{machine()}-20261128-000000.encrypted.tar")
    on_disk(here / "backups", b"rubbish", f"{MANIFEST.project}-{machine()}-20261126-000000.tar.zst")
    assert run(backup, "--list") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [(line.split()[0], line.split("MB")[1].strip()) for line in lines] == [
        (f"{MANIFEST.project}-{machine()}-20261128-000000.encrypted.tar", "encrypted"),
        (PLAIN, "chainlit 2.12.0"),
        (f"{MANIFEST.project}-{machine()}-20261126-000000.tar.zst", "can't be read"),
    ]


def test_where_there_are_none_it_says_so(here: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(backup, "--list", "--to", str(here / "elsewhere")) == 1
    assert "There are no backups of foundry-stack" in capsys.readouterr().err


def test_one_that_is_not_what_was_written_is_removed_and_takes_no_ones_place(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where the disk or the memory is bad."""
    new = here / "backups" / f"{MANIFEST.project}-{machine()}-20261128-000000.tar.zst"
    settings = module.load().model_copy(update={"state_dir": here / ".state"})
    monkeypatch.setattr(backup, "load", lambda: settings)
    monkeypatch.setattr(backup, "client", lambda: None)
    monkeypatch.setattr(keeping, "make", lambda *_, **__: on_disk(new.parent, written()[:-1], new.name))
    assert run(backup, "--keep", "1", "--to", str(here / "backups")) == 1
    assert "was removed" in capsys.readouterr().err
    assert [file.name for file in new.parent.iterdir()] == [PLAIN]


def test_whoever_makes_one_is_told_whether_it_is_locked(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`upgrade` and `restore` do, too."""
    monkeypatch.setattr(backup, "client", lambda: None)
    monkeypatch.setattr(keeping, "make", lambda *_, **__: here / "backups" / PLAIN)
    settings = module.load().model_copy(update={"state_dir": here / ".state"})
    for phrase, told in ((None, True), ("several good words", False)):
        backup.back_up(settings, Stages(), here / "backups", phrase)
        assert ("readable by whoever has the file" in capsys.readouterr().out) == told


def test_the_one_that_an_interrupted_upgrade_needs_stays(here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = module.load().model_copy(update={"state_dir": here / ".state"})
    monkeypatch.setattr(backup, "load", lambda: settings)
    write_json(settings.state / way_back.FILE, {"backup": str(here / "backups" / PLAIN), "images": {}})
    new = here / "backups" / f"{MANIFEST.project}-{machine()}-20261128-000000.tar.zst"
    monkeypatch.setattr(backup, "back_up", lambda *_, **__: on_disk(new.parent, written(), new.name))
    assert run(backup, "--keep", "1", "--to", str(here / "backups")) == 0
    assert {file.name for file in new.parent.iterdir()} == {PLAIN, new.name}


def test_none_is_kept_is_no_number(run: Run) -> None:
    for number in ("0", "-1", "few"):
        with pytest.raises(SystemExit) as ended:
            run(backup, "--keep", number)
        assert ended.value.code == 2


def test_a_whole_one_is_checked_without_an_engine(
    here: Path, run: Run, restored: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (PLAIN, str(here / "backups" / PLAIN)):
        assert run(restore, name, "--check") == 0
        assert "It is whole" in capsys.readouterr().out
    assert restored == []


def test_a_damaged_one_is_refused_before_all_else(
    here: Path, run: Run, restored: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    file = on_disk(here, written()[:-1], "cut")
    assert run(restore, str(file), "--replace") == 2
    assert "cut is no whole backup" in capsys.readouterr().err
    assert restored == []
    assert not (here / ".env").exists()


def test_its_settings_count_where_there_are_none(here: Path, run: Run, restored: list[Settings]) -> None:
    file = on_disk(here, written(env=b"COMPOSE_PROJECT_NAME=theirs\nCHAINLIT_PORT=18080\n"), "theirs")
    assert run(restore, str(file)) == 0
    assert [(each.compose_project_name, each.chainlit_port) for each in restored] == [("theirs", 18080)]
    assert (here / ".env").read_text() == "COMPOSE_PROJECT_NAME=theirs\nCHAINLIT_PORT=18080\n"


def test_the_settings_that_are_here_count(
    here: Path, run: Run, restored: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    (here / ".env").write_text("COMPOSE_PROJECT_NAME=mine\n")
    file = on_disk(here, written(env=b"COMPOSE_PROJECT_NAME=theirs\n"), "theirs")
    assert run(restore, str(file)) == 0
    assert [each.compose_project_name for each in restored] == ["mine"]
    assert ".env.from-backup" in capsys.readouterr().out


def test_when_it_fails_its_settings_go_again(here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bool:
        raise StackError("no", fix="", cause="no", exit_code=2)

    monkeypatch.setattr(restore, "_restore", fails)
    file = on_disk(here, written(env=b"MODEL=auto\n"), "theirs")
    assert run(restore, str(file)) == 2
    assert not (here / ".env").exists()


def test_when_it_is_interrupted_after_the_decision_they_stay(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object, __: object, ___: object, ____: object, decided: Event) -> bool:
        decided.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(restore, "_restore", interrupted)
    file = on_disk(here, written(env=b"MODEL=auto\n"), "theirs")
    assert run(restore, str(file)) == 130
    assert (here / ".env").read_bytes() == b"MODEL=auto\n"


def test_settings_that_can_not_be_used_here_are_refused(here: Path, run: Run, restored: list[Settings]) -> None:
    file = on_disk(here, written(env=b"CHAINLIT_PORT=many\n"), "theirs")
    assert run(restore, str(file)) == 2
    assert restored == []
    assert not (here / ".env").exists()
