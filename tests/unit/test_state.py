"""State files are whole and private, and a daemon is known by pid and start time."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from stack.parts import state
from stack.tools.errors import StackError
from stack.tools.process import spawn_daemon
from stack.tools.user import run_as

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)
WILLING = "import time; print('ready', flush=True); time.sleep(60)"


@pytest.fixture
def daemon(tmp_path: Path) -> Callable[[str], tuple[int, float]]:
    def start(program: str) -> tuple[int, float]:
        log = tmp_path / "log"
        pid = spawn_daemon([sys.executable, "-c", program], log)
        deadline = time.monotonic() + 10
        while "ready" not in log.read_text():
            assert time.monotonic() < deadline
        return pid, state.process_started(pid)

    return start


def test_what_is_written_is_read_and_private(tmp_path: Path) -> None:
    file = tmp_path / "state" / "project" / "a.json"
    state.write_json(file, {"url": "http://127.0.0.1:1", "pid": None})
    assert state.read_json(file) == {"url": "http://127.0.0.1:1", "pid": None}
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    state.write_json(file, {})
    assert state.read_json(file) == {}
    assert [entry.name for entry in file.parent.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "state" / "a.json"
    state.write_json(file, {"old": True})
    with pytest.raises(UnicodeEncodeError):
        state.write_text(file, "\udce9")
    assert state.read_json(file) == {"old": True}
    assert [entry.name for entry in file.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "null", "\xff"])
def test_no_object_no_answer(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "a.json"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))
    assert state.read_json(file) is None


def test_another_users_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", denied)  # root, whom nothing is denied, runs these tests too
    with pytest.raises(StackError) as told:
        state.read_json(tmp_path / "relay.json")
    assert (told.value.cause, told.value.exit_code) == ("state-not-permitted", 2)


def test_alive_means_this_very_process(daemon: Callable[[str], tuple[int, float]]) -> None:
    pid, started = daemon(WILLING)
    assert state.is_alive(pid, started)
    assert not state.is_alive(pid, started - 60)
    assert state.stop_process(pid, started - 60, 5) is False
    assert state.is_alive(pid, started)
    assert state.stop_process(pid, started, 5) is True
    assert not psutil.pid_exists(pid)
    assert not state.is_alive(pid, started)
    assert state.stop_process(pid, started, 5) is False


def test_one_that_does_not_listen_is_killed(daemon: Callable[[str], tuple[int, float]]) -> None:
    pid, started = daemon(STUBBORN)
    assert state.stop_process(pid, started, 0.2) is True
    assert not psutil.pid_exists(pid)


def test_one_whose_parent_does_not_look_after_it_has_ended_too() -> None:
    careless = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", careless], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        began = time.monotonic()
        assert state.stop_process(pid, state.process_started(pid), 20) is True
        assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        assert time.monotonic() - began < 10
        parent.communicate("")


@pytest.mark.parametrize(
    ("uid", "gid", "expected"),
    [("1000", "1001", (1000, 1001)), ("0", "0", (None, None)), (None, None, (None, None)), ("x", "1", (None, None))],
)
def test_behind_sudo_stands_a_user(
    monkeypatch: pytest.MonkeyPatch, uid: str | None, gid: str | None, expected: tuple[int | None, int | None]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name, value in (("SUDO_UID", uid), ("SUDO_GID", gid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert run_as() == expected
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run_as() == (None, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a file over")
def test_root_behind_sudo_leaves_no_file_of_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "1235")
    file = tmp_path / ".state" / "project" / "a.json"
    state.write_json(file, {})
    for path in (file, file.parent, file.parent.parent):
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1235)
    assert tmp_path.stat().st_uid == 0
