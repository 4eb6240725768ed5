"""The scripts' own environment: made once from locked packages, repaired after whatever happens to it."""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes.bare_clone import Clone, make_clone
from stack.settings import ROOT

MAKING, INSTALLING, WAITING = "Making a Python environment", "Installing its Python packages", "Waiting for another run"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone whose environment is made; tests leave it complete, whatever it then holds."""
    clone = make_clone(tmp_path_factory.mktemp("made"))
    code, _, err = clone.run()
    assert code == 0, err
    return clone


@pytest.fixture
def fresh(tmp_path: Path) -> Clone:
    return make_clone(tmp_path)


def test_goes_on_inside_with_its_arguments_and_the_locked_packages(made: Clone) -> None:
    made.lock("first==1")
    _, out, _ = made.run("--option", "two words")
    assert out == f"{made.environment} ['--option', 'two words'] ['first==1']\n"


def test_second_run_is_silent_and_costs_little(made: Clone) -> None:
    made.lock("first==1")
    made.run()
    inside = [str(made.environment / "bin" / "python"), "scripts/hello.py"]
    begin = time.monotonic()
    subprocess.run(inside, cwd=made.folder, check=True, capture_output=True)
    alone = time.monotonic() - begin
    begin = time.monotonic()
    code, _, err = made.run(PIP_FIND_LINKS="/nonexistent")  # pip would fail
    assert (code, err) == (0, "")
    assert time.monotonic() - begin - alone < 0.5  # 0.05 s measured; the rest is for a busy machine


@pytest.mark.full
def test_changed_lock_is_made_anew_without_what_it_no_longer_names(made: Clone) -> None:
    made.lock("second==2")
    _, out, err = made.run()
    assert out.endswith("['second==2']\n")
    assert MAKING in err


def test_extra_lock_is_added_and_stays(made: Clone) -> None:
    made.lock("first==1")
    made.lock("extra==3", file="tests/requirements.lock")
    made.run()
    _, out, err = made.run("--tests")
    assert out.endswith("['extra==3', 'first==1']\n")
    assert MAKING not in err
    assert made.run()[1:] == (out.replace("'--tests'", ""), "")


@pytest.mark.full
def test_moved_folder_is_made_anew(made: Clone, tmp_path: Path) -> None:
    moved = Clone(tmp_path / "moved", made.wheels)
    shutil.copytree(made.folder, moved.folder, symlinks=True)
    _, out, _ = moved.run()
    assert out.startswith(f"{moved.environment} ")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("interpreter gone", marks=pytest.mark.full),
        pytest.param("made by another Python", marks=pytest.mark.full),
        "stamp gone",
    ],
)
@pytest.mark.full
def test_damage_is_repaired(made: Clone, damage: str) -> None:
    made.lock("first==1")
    made.run()
    stamp = made.environment / "complete.json"
    if damage == "interpreter gone":
        (made.environment / "bin" / "python").unlink()
    elif damage == "made by another Python":
        present = "{}.{}".format(*sys.version_info)
        stamp.write_text(stamp.read_text().replace(present, "3.10"))
    else:
        stamp.unlink()
        shutil.rmtree(next(made.environment.glob("lib/*/site-packages/first-1.dist-info")))
    code, out, err = made.run()
    assert (code, out.endswith("['first==1']\n"), MAKING in err) == (0, True, True)


@pytest.mark.full
def test_interrupted_is_quiet_and_the_next_run_repairs(fresh: Clone) -> None:
    first = fresh.start()
    assert first.stderr is not None
    for line in first.stderr:
        if line.startswith(INSTALLING):
            break
    os.killpg(first.pid, signal.SIGINT)
    assert first.wait(timeout=30) == 130
    assert "Traceback" not in first.stderr.read()
    assert fresh.run()[0] == 0


@pytest.mark.full
def test_two_at_once_make_it_once(fresh: Clone) -> None:
    both = [fresh.start(), fresh.start()]
    said = [each.communicate(timeout=120)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert sorted(MAKING in text for text in said) == [False, True]
    assert sorted(WAITING in text for text in said) == [False, True]


def test_package_that_is_not_the_locked_one_is_refused(fresh: Clone) -> None:
    lock = fresh.folder / "scripts" / "requirements.lock"
    lock.write_text(lock.read_text().replace("sha256:", "sha256:0000")[:-5] + "\n")
    code, out, err = fresh.run()
    assert (code, out) == (2, "")
    assert "is not the one that was locked" in err


def test_no_network_says_so(fresh: Clone) -> None:
    code, _, err = fresh.run(
        PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1"
    )
    assert code == 2
    assert "can't be reached" in err
    assert "Traceback" not in err


def test_folder_of_somebody_else_is_not_touched(fresh: Clone) -> None:
    fresh.environment.mkdir()
    precious = fresh.environment / "precious"
    precious.write_text("")
    code, _, err = fresh.run()
    assert (code, precious.exists()) == (2, True)
    assert f"mv {fresh.environment}" in err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.full
def test_under_sudo_it_belongs_to_the_user(fresh: Clone) -> None:
    assert fresh.run(SUDO_UID="4321", SUDO_GID="4321")[0] == 0
    owners = {path.lstat().st_uid for path in (fresh.environment, *fresh.environment.rglob("*"))}
    assert owners == {4321}
    assert not list((fresh.folder / "scripts").rglob("__pycache__"))


def test_too_old_a_python_gets_one_sentence() -> None:
    pretend = "import stack.bootstrap as b; b.OLDEST_PYTHON = (99, 0); b.enter()"
    done = subprocess.run(
        [sys.executable, "-c", pretend], cwd=ROOT / "scripts", capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Python 99.0 or newer is needed; this is ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "script", ["stack/__init__.py", "stack/bootstrap.py", "up.py", "probe.py", "down.py", "test.py"]
)
def test_an_old_python_can_read_as_far_as_that_sentence(script: str) -> None:
    ast.parse((ROOT / "scripts" / script).read_text(), feature_version=(3, 8))
