"""The chat app, or another Chainlit app, as a process of its own on a loopback port, without containers."""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from fakes.relay_process import free_port
from stack.parts import state
from stack.settings import ROOT
from stack.tools.process import spawn_daemon

OURS = ROOT / "services" / "chainlit" / "app.py"
START_SECONDS = 60


@contextlib.contextmanager
def running(argv: Sequence[str], folder: Path, port: int, env: dict[str, str]) -> Iterator[psutil.Process]:
    """A server that listens on that loopback port soon, and has gone when the block ends."""
    log = folder / f"{port}.log"
    pid = spawn_daemon(argv, log, env=env)
    started = state.process_started(pid)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            if time.monotonic() > deadline or not state.is_alive(pid, started):
                raise RuntimeError(log.read_text(encoding="utf-8"))
            time.sleep(0.05)
        yield psutil.Process(pid)
    finally:
        state.stop_process(pid, started, 5)


@contextlib.contextmanager
def chainlit_app(
    python: str, folder: Path, env: dict[str, str], app: Path = OURS
) -> Iterator[tuple[str, psutil.Process]]:
    """Its address and its process.

    Args:
        python: one that has what `services/chainlit/requirements.lock` names.
        folder: an existing one; the app's files and its log go there.
        env: its knobs.
    """
    port = free_port()
    home = folder / f"home-{port}"
    home.mkdir()
    for part in (".chainlit", "public"):
        shutil.copytree(OURS.parent / part, home / part)
    argv = [python, "-m", "chainlit", "run", str(app), "--headless", "--host", "127.0.0.1", "--port", str(port)]
    knobs = {"CHAINLIT_APP_ROOT": str(home), "PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "*", "no_proxy": "*", **env}
    with running(argv, folder, port, knobs) as process:
        yield f"http://127.0.0.1:{port}", process
