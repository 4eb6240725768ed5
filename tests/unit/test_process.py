"""Programs that are started: nothing of them is left when the work with them is interrupted."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from fakes.waiting import wait_until
from stack.reports.errors import guarded
from stack.settings import ROOT
from stack.tools import interrupts
from stack.tools.async_work import run_async
from stack.tools.process import Ending, run, stream

# As `docker` 20.10 treats its plugins: it waits for its child and does not pass on what it is told.
DEAF_PARENT = """
import signal, subprocess
child = subprocess.Popen(["sleep", "60"])
signal.signal(signal.SIGTERM, lambda *_: None)
print(child.pid, flush=True)
child.wait()
"""


def test_an_interrupted_group_ends_as_a_whole() -> None:
    seen: list[int] = []

    def interrupt(line: str) -> None:
        seen.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream([sys.executable, "-c", DEAF_PARENT], interrupt, own_group=True)
    (grandchild,) = seen
    wait_until(lambda: not psutil.pid_exists(grandchild) or is_zombie(grandchild), seconds=5)


def test_a_group_of_its_own_does_not_hear_the_terminal() -> None:
    ask = "import os; print(os.getpgid(0))"
    assert int(run([sys.executable, "-c", ask]).out) == os.getpgid(0)
    assert int(run([sys.executable, "-c", ask], own_group=True).out) != os.getpgid(0)


TIDY = """
import sys, time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    open(sys.argv[1], "w").write("tidied up")
"""


def test_a_child_may_tidy_up_when_it_is_interrupted(tmp_path: Path) -> None:
    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    argv = [sys.executable, "-c", TIDY, str(tmp_path / "tidied")]
    with pytest.raises(KeyboardInterrupt):
        stream(argv, interrupt, own_group=True, ending=Ending(signal.SIGINT, 10.0))
    assert (tmp_path / "tidied").read_text() == "tidied up"


CLEANING = """
import os, sys, time
from stack.reports.errors import guarded

def main():
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("cleaning", flush=True)
        open(sys.argv[1], "w").close()

os.close(os.open(os.ttyname(0), os.O_RDWR))  # from now on it is this session's terminal
sys.exit(guarded(main))
"""


def is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_comes_in_the_middle_of_a_step_is_raised_after_it() -> None:
    done = []
    with interrupts.raised(), pytest.raises(interrupts.Terminated), interrupts.deferred():
        os.kill(os.getpid(), signal.SIGTERM)
        done.append("the step")
    assert done


def test_a_clean_up_is_not_interrupted_and_the_first_interrupt_counts() -> None:
    cleaned = []

    def main() -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            try:
                raise ValueError
            except ValueError:
                os.kill(os.getpid(), signal.SIGINT)
            cleaned.append(True)
        return 0

    assert guarded(main) == 143
    assert cleaned


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_script_that_was_told_to_ignore_one_does(number: signal.Signals) -> None:
    """A background job, or `nohup`."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with interrupts.raised():
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)


def test_a_terminal_that_is_closed_ends_a_script_as_ctrl_c_does(tmp_path: Path) -> None:
    """Also where the clean-up has something to say: nobody can read it any more."""
    ours, theirs = pty.openpty()
    cleaned = tmp_path / "cleaned"
    argv = [sys.executable, "-c", CLEANING, str(cleaned)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    with subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=env) as script:
        os.close(theirs)
        assert b"ready" in os.read(ours, 1000)
        os.close(ours)
        assert script.wait(20) == 128 + signal.SIGHUP
    assert cleaned.exists()


def test_asynchronous_work_is_cancelled_and_cleans_up_whatever_else_comes(capfd: pytest.CaptureFixture[str]) -> None:
    cleaned = []

    async def work() -> None:
        asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)
        try:
            await asyncio.gather(asyncio.sleep(60), asyncio.sleep(60))
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0)
            cleaned.append(True)

    with interrupts.raised(), pytest.raises(interrupts.Terminated):
        run_async(work())
    assert cleaned
    assert capfd.readouterr().err == ""
