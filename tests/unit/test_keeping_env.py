"""A backup's `.env`: taken where there is none; else laid beside the one that is here, which counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.backups import ENV
from stack import settings as module
from stack.parts.keeping import env_in_place
from stack.tools.errors import StackError


def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This clone's `.env`, which is not there yet."""
    monkeypatch.setattr(module, "USER_FILE", tmp_path / ".env")
    return tmp_path / ".env"


def test_where_there_is_none_it_is_taken(here: Path) -> None:
    with env_in_place(ENV, never) as said:
        assert here.read_bytes() == ENV, "while the rest is put back, too: it names the project"
    assert said == "`.env` is the backup's."
    assert here.read_bytes() == ENV
    assert here.stat().st_mode & 0o777 == 0o600


def test_when_the_rest_fails_it_goes_again(here: Path) -> None:
    with pytest.raises(StackError), env_in_place(ENV, never):
        raise StackError("no", fix="", cause="no")
    assert list(here.parent.iterdir()) == []


@pytest.mark.parametrize("present", [False, True])
def test_when_the_rest_is_decided_it_stays_whatever_comes(here: Path, present: bool) -> None:
    """It belongs to what was put back, and that is, or will be by `up`."""
    if present:
        here.write_bytes(b"MODEL=mine\n")
    with pytest.raises(KeyboardInterrupt), env_in_place(ENV, lambda: True):
        raise KeyboardInterrupt
    assert (here.with_name(".env.from-backup") if present else here).read_bytes() == ENV


def test_one_that_is_here_counts(here: Path) -> None:
    here.write_bytes(b"MODEL=mine\n")
    with env_in_place(ENV, never) as said:
        assert here.read_bytes() == b"MODEL=mine\n"
    assert said
    assert ".env.from-backup" in said
    assert here.read_bytes() == b"MODEL=mine\n"
    assert here.with_name(".env.from-backup").read_bytes() == ENV


@pytest.mark.parametrize("env", [None, ENV])
def test_the_same_one_or_none_changes_nothing(here: Path, env: bytes | None) -> None:
    here.write_bytes(ENV)
    with env_in_place(env, never) as said:
        assert said is None
    assert [file.name for file in here.parent.iterdir()] == [".env"]
    assert here.read_bytes() == ENV
