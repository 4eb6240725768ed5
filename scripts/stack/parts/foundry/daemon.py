"""The process of a Foundry Local of our own: started, waited for, ended. Whether to is decided in `lifecycle`."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from stack.parts import state
from stack.parts.foundry import record
from stack.parts.foundry.choose import Choice
from stack.parts.foundry.native import command, data_folder, environment, missing_library
from stack.parts.foundry.record import Record
from stack.settings import Settings
from stack.tools import interrupts
from stack.tools.errors import StackError
from stack.tools.process import spawn_daemon
from stack.tools.progress import Progress
from stack.tools.user import run_as

MODULE = "stack.parts.foundry.serve"
START_SECONDS = 900.0  # a large model from a slow disk; what fails ends at once
STOP_SECONDS = 6.0
POLL_SECONDS = 0.05
TAIL_LINES = 12
LOG_BYTES = 5_000_000


def log_file(settings: Settings) -> Path:
    """Where the daemon and the native runtime write."""
    return settings.state / "foundry.log"


def start(settings: Settings, choice: Choice, progress: Progress) -> Record:
    """Start the daemon and wait until it serves the chosen model, which must be in the model cache.

    Raises:
        StackError: ``foundry-start-failed`` with the end of the log, or ``system-library-missing``.
    """
    log = log_file(settings)
    data_folder(settings)
    _rotate(log)
    log_began = log.stat().st_size if log.exists() else 0
    argv = command("serve", "--state", str(settings.state), "--models", str(settings.models), "--model", choice.id)
    argv += ["--catalog", choice.catalog, "--catalog-url", settings.catalog_url]
    uid, gid = run_as()
    env = environment(settings, may_go_out=choice.catalog == "public")
    spawned: tuple[int, float] | None = None
    try:
        with interrupts.deferred():
            pid = spawn_daemon(argv, log, env=env, uid=uid, gid=gid)
            spawned = pid, state.process_started(pid)
        return _wait_until_ready(settings, pid, choice, progress, log_began)
    except BaseException:
        if spawned:
            state.stop_process(*spawned, STOP_SECONDS)
            record.forget(settings.state, spawned[0])
        raise


def stop_all(settings: Settings) -> bool:
    """End every daemon of this project, also one that no file tells of; returns whether there was one."""
    stopped = False
    for process in psutil.process_iter():
        try:
            if _is_daemon_of(settings, process.cmdline()):
                stopped = state.stop_process(process.pid, process.create_time(), STOP_SECONDS) or stopped
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return stopped


def _is_daemon_of(settings: Settings, argv: list[str]) -> bool:
    return MODULE in argv and str(settings.state) in argv


def _wait_until_ready(settings: Settings, pid: int, choice: Choice, progress: Progress, log_began: int) -> Record:
    process = psutil.Process(pid)
    begin = time.monotonic()
    while (seconds := time.monotonic() - begin) < START_SECONDS:
        progress(f"Starting Foundry Local and loading {choice.id}")
        present = record.read(settings.state)
        if present is not None and present.pid == pid:
            return present
        try:
            process.wait(timeout=POLL_SECONDS)
        except psutil.TimeoutExpired:
            continue
        raise _failed(settings, f"ended after {seconds:.0f} s", log_began)
    raise _failed(settings, f"was not ready after {START_SECONDS:.0f} s", log_began)


def _failed(settings: Settings, what: str, log_began: int) -> StackError:
    log = log_file(settings)
    with log.open(encoding="utf-8", errors="replace") as text:
        text.seek(log_began)
        output = text.read().strip()
    tail = "\n".join(f"  {line}" for line in output.splitlines()[-TAIL_LINES:])
    return missing_library(output) or StackError(
        f"Foundry Local did not start: its process {what}. The end of its log:\n{tail}",
        fix=f"See {log} for all of it. Run the command again, or choose another MODEL in .env.",
        cause="foundry-start-failed",
    )


def _rotate(log: Path) -> None:
    """Keep one old log; the daemon's log grows by few lines a day, but for ever."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
