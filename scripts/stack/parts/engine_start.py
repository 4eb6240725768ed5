"""Starting a Docker daemon that is installed and does not run, and stopping one that was started here."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from stack.parts.state import is_alive, process_started
from stack.tools.docker_engine import client
from stack.tools.errors import StackError
from stack.tools.process import run, spawn_daemon
from stack.tools.progress import Progress
from stack.tools.root import SYSTEM_PATH, as_root, find_program

Starter = Literal["systemd", "service", "dockerd"]

LOG = Path("/var/log/dockerd.log")
LOG_OF_USER = Path.home() / ".cache" / "foundry-stack" / LOG.name  # where sudo runs it, but the user keeps the log
LOG_OF_SERVICE = Path("/var/log/docker.log")
PID_FILE = Path("/var/run/docker.pid")
SERVICE_PID_FILE = Path("/var/run/docker-ssd.pid")  # Debian's init script writes it at once
PID_FILES = {PID_FILE: "dockerd", Path("/var/run/docker/containerd/containerd.pid"): "containerd"}
START_LIMIT = 90.0  # seconds; a daemon with many containers reads all of them before it answers
STOP_LIMIT = 60.0  # seconds; containers get 15 of them to end


@dataclass(frozen=True)
class Daemon:
    """A daemon started here: by what, and which process it is (pid and its start in seconds since 1970)."""

    starter: Starter
    pid: int | None
    started: float | None


def start(progress: Progress) -> Daemon:
    """Start the installed daemon in the way this machine starts services, and wait until it answers.

    Raises:
        StackError: ``engine-start-failed`` with the end of its log; ``root-needed``.
    """
    _drop_stale_pid_files()
    problem = ""
    for starter in _starters():
        progress(f"starting the daemon ({starter})")
        pid, problem = _start_by(starter)
        if not problem:
            problem = _wait_for_answer(pid, progress)
        if not problem:
            pid = _read_pid(PID_FILE)
            return Daemon(starter, pid, process_started(pid) if pid else None)
    raise StackError(
        f"The Docker daemon does not start. Its last words:\n{problem}",
        fix="Correct what it says, then run this again.",
        cause="engine-start-failed",
        exit_code=2,
    )


def stop(daemon: Daemon) -> None:
    """Stop the daemon that `start` started, and wait until it is gone; never another one."""
    if daemon.pid is None or daemon.started is None or not is_alive(daemon.pid, daemon.started):
        return
    commands = {
        "systemd": ["systemctl", "stop", "docker.service", "docker.socket"],
        "service": ["service", "docker", "stop"],
        "dockerd": ["sh", "-c", f"kill -TERM {daemon.pid}"],  # as a program of its own it may be missing
    }
    process = psutil.Process(daemon.pid)
    run(as_root(commands[daemon.starter]))
    try:
        process.wait(timeout=STOP_LIMIT)
    except psutil.TimeoutExpired as late:
        raise StackError(
            f"The Docker daemon (pid {daemon.pid}) still runs {STOP_LIMIT:.0f} s after it was asked to stop.",
            fix=f"See what it waits for in {LOG}; to end it: sudo kill {daemon.pid}",
            cause="engine-stop-failed",
        ) from late


def _starters() -> list[Starter]:
    if Path("/run/systemd/system").exists():
        return ["systemd"]
    with_script: list[Starter] = ["service"] if Path("/etc/init.d/docker").exists() and find_program("service") else []
    return [*with_script, "dockerd"]


def _start_by(starter: Starter) -> tuple[int | None, str]:
    """Ask for the daemon: its pid where it is known at once, and what went wrong ("" if nothing did)."""
    if starter == "dockerd":
        dockerd = find_program("dockerd") or "dockerd"
        return spawn_daemon(as_root([dockerd], {"PATH": SYSTEM_PATH}), _writable_log()), ""
    command = ["systemctl", "start", "docker"] if starter == "systemd" else ["service", "docker", "start"]
    done = run(as_root(command), timeout=START_LIMIT)
    pid = _read_pid(SERVICE_PID_FILE if starter == "service" else PID_FILE)
    return pid, "" if done.code == 0 else f"{(done.err + done.out).strip()}\n{_last_words()}".strip()


def _wait_for_answer(pid: int | None, progress: Progress) -> str:
    """Wait until the engine answers; "" then, else the end of the daemon's log."""
    begin = time.monotonic()
    while (waited := time.monotonic() - begin) < START_LIMIT:
        try:
            client(timeout=5)
        except StackError as silent:
            if silent.cause == "engine-not-permitted":  # it is up; that we may not use it is for the caller to say
                return ""
        else:
            return ""
        if not _lives(pid):
            break
        progress(f"waiting for the daemon ({waited:.0f} s)")
        time.sleep(0.2)
    return _last_words()


def _lives(pid: int | None) -> bool:
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _read_pid(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _drop_stale_pid_files() -> None:
    """After a crash a pid file stays; once another process has that pid, dockerd takes itself for running."""
    for file, program in PID_FILES.items():
        pid = _read_pid(file)
        if pid is None:
            continue
        try:
            stale = psutil.Process(pid).name() != program
        except psutil.NoSuchProcess:
            stale = True
        if stale:
            run(as_root(["rm", "-f", str(file)]))


def _writable_log() -> Path:
    try:
        LOG.touch()
    except PermissionError:
        return LOG_OF_USER
    return LOG


def _last_words(count: int = 5) -> str:
    if Path("/run/systemd/system").exists() and shutil.which("journalctl"):
        return run(["journalctl", "--unit=docker", f"--lines={count}", "--no-pager", "--output=cat"]).out.strip()
    logs = [log for log in (LOG, LOG_OF_USER, LOG_OF_SERVICE) if log.exists()]
    if not logs:
        return "(there is no log)"
    newest = max(logs, key=lambda log: log.stat().st_mtime)
    lines = [line for line in newest.read_text(errors="replace").splitlines() if line and "level=info" not in line]
    return "\n".join([*lines[-count:], f"(all of it: {newest})"])
