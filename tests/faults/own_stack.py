"""A stack of a test's own, driven by the real scripts as a user would: its runs, and what they leave."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

import psutil
from docker import DockerClient
from docker.models.containers import Container

from fakes.waiting import wait_until
from stack.parts import containers, foundry
from stack.parts.containers import PROJECT_LABEL
from stack.parts.host_checks import free_ports
from stack.parts.model import prepare as prepare_model
from stack.parts.relay import lifecycle as relay
from stack.parts.state import read_json
from stack.settings import PORTS, ROOT, Settings, default_values
from stack.tools.progress import silent

STAGES = (
    "Docker Engine",
    "Room and free ports",
    "Base images",
    "Images",
    "Secrets",
    "Foundry Local and its model",
    "Relay",
    "Containers",
    "A real answer through every front end",
)
GREEN = (0, 3)  # 3: it answers, but slowly, which is the machine's fault here
RUN_SECONDS = 240.0  # no script takes that long, unless it builds images; on a busy machine it may come near


@dataclass(frozen=True)
class Ended:
    """How a script ended."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Everything it said."""
        return self.out + self.err


class Run:
    """A script at work, in a process group of its own as on a terminal."""

    def __init__(self, process: subprocess.Popen[str], err: TextIO) -> None:
        self.process = process
        self._err = err
        self._lines: list[str] = []

    def until(self, begin: str, seconds: float = RUN_SECONDS) -> None:
        """Read its output until a line begins so."""
        assert self.process.stdout is not None
        with self._time_limit(seconds):
            for line in self.process.stdout:
                self._lines.append(line)
                if line.startswith(begin):
                    return
        raise AssertionError(f"it ended before it said {begin!r}: {self.end().all}")

    def until_inside(self) -> None:
        """Wait until it has gone over to the stack's own Python environment."""
        inside = str(Path(".venv", "bin"))
        wait_until(lambda: inside in (psutil.Process(self.process.pid).cmdline() or [""])[0])

    def tell(self, number: int, *, group: bool = False) -> None:
        """Send it a signal: to the one process, as `kill` does, or to its group, as a terminal does."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def ends_within(self, seconds: float) -> bool:
        """Give it that long to end; what it says meanwhile must fit into a pipe."""
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self, seconds: float = RUN_SECONDS) -> Ended:
        """Wait for its end."""
        assert self.process.stdout is not None
        with self._time_limit(seconds):
            self._lines += self.process.stdout
            self.process.wait()
        self._err.seek(0)
        return Ended(self.process.returncode, "".join(self._lines), self._err.read())

    @contextmanager
    def _time_limit(self, seconds: float) -> Iterator[None]:
        """A script that hangs ends by SIGKILL, and so with an exit code that no test expects."""
        watchdog = threading.Timer(seconds, self.tell, [signal.SIGKILL], {"group": True})
        watchdog.start()
        try:
            yield
        finally:
            watchdog.cancel()


@dataclass(frozen=True)
class User:
    """Somebody who is not root."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass
class OwnStack:
    """The stack: its knobs, and the clone whose scripts run it.

    Attributes:
        folder: the test's own, for state and for what the scripts say on standard error.
        knobs: what the scripts find in their environment; at first all of `settings`.
        user: who runs the scripts; None: whoever runs the tests.
    """

    settings: Settings
    engine: DockerClient
    folder: Path
    clone: Path = ROOT
    python: str = getattr(sys, "_base_executable", sys.executable)
    user: User | None = None
    knobs: dict[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.knobs = {**self.settings.as_environment, "STATE_DIR": str(self.state.parent)}

    @property
    def project(self) -> str:
        return self.settings.compose_project_name

    @property
    def state(self) -> Path:
        return self.settings.state

    def start(self, script: str, *arguments: str, **env: str) -> Run:
        """Start `scripts/SCRIPT.py`; ``env`` are knobs or other variables."""
        return self.start_program(self.python, str(self.clone / "scripts" / f"{script}.py"), *arguments, **env)

    def start_program(self, *argv: str, **env: str) -> Run:
        """Start any program as the user in the clone."""
        err = (self.folder / f"stderr-{len(self.runs)}").open("w+", encoding="utf-8")
        who: dict[str, Any] = {}
        if self.user:
            who = {"user": self.user.uid, "group": self.user.gid, "extra_groups": self.user.groups, "umask": 0o022}
        process = subprocess.Popen(
            argv,
            cwd=self.clone,
            env={**self._environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
            start_new_session=True,
            **who,
        )
        self.runs.append(Run(process, err))
        return self.runs[-1]

    def run(self, script: str, *arguments: str, **env: str) -> Ended:
        """The same, to its end."""
        return self.start(script, *arguments, **env).end()

    def up(self, **env: str) -> Ended:
        """A whole `up` that must end green."""
        ended = self.run("up", "--yes", **env)
        assert ended.code in GREEN, ended.all
        return ended

    def down(self, *arguments: str) -> Ended:
        """A whole `down` that must succeed."""
        ended = self.run("down", *arguments)
        assert ended.code == 0, ended.all
        return ended

    def containers(self) -> dict[str, Container]:
        """Its containers by service."""
        return {
            each.labels[containers.SERVICE_LABEL]: each for each in containers.of_project(self.settings, self.engine)
        }

    def networks(self) -> list[str]:
        return [each.name for each in self.engine.networks.list(filters={"label": f"{PROJECT_LABEL}={self.project}"})]

    def volumes(self) -> list[str]:
        return [each.name for each in self.engine.volumes.list(filters={"label": f"{PROJECT_LABEL}={self.project}"})]

    def processes(self) -> dict[int, str]:
        """Every process that carries this project's name in its environment: daemons, and whatever a script left."""
        found = {}
        for process in psutil.process_iter():
            try:
                if process.environ().get("COMPOSE_PROJECT_NAME") == self.project:
                    found[process.pid] = " ".join(process.cmdline())
            except psutil.Error:
                continue
        return found

    def daemons(self) -> dict[str, int | None]:
        """The pids of relay and Foundry Local, as far as they run."""
        door = relay.status(self.settings)
        return {"relay": door.pid if door else None, "foundry": foundry.status(self.settings).pid}

    def ports(self) -> set[int]:
        """Every port that its processes and containers listen on."""
        ours = self.processes()
        return {port for port, pid in listening().items() if pid in ours} | containers.published_ports(
            self.settings, self.engine
        )

    def nothing_half_done(self) -> None:
        """Assert that no file is half-written and no process but the two daemons is left."""
        drafts = [path.name for path in self.state.iterdir() if path.name.startswith(".") or "partial" in path.name]
        assert not drafts, drafts
        for file in self.state.glob("*.json"):
            assert read_json(file), f"{file.name}: {file.read_text()}"
        strays = {
            pid: command
            for pid, command in self.processes().items()
            if "stack.parts.relay.server" not in command and "stack.parts.foundry.serve" not in command
        }
        assert not strays, strays

    def clear_away(self) -> None:
        """Leave nothing behind, whatever the test did."""
        for each in self.runs:
            if each.process.poll() is None:
                each.tell(signal.SIGKILL, group=True)
                each.process.wait()
        relay.stop(self.settings)
        foundry.stop(self.settings)
        containers.remove(self.settings, silent, volumes=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _environment(self) -> Mapping[str, str]:
        """This environment with the stack's knobs in place of the tests' own; nothing that leads to another clone."""
        dropped = {*default_values(), "PYTHONPATH", "SUDO_UID", "SUDO_GID"}
        return {**{key: value for key, value in os.environ.items() if key not in dropped}, **self.knobs}


@contextmanager
def own_stack(base: Settings, engine: DockerClient, folder: Path, **knobs: object) -> Iterator[OwnStack]:
    """A stack that does not exist yet, with the images of ``base``, and a name, ports and state of its own.

    Args:
        base: the settings of the tests' own stack.
        folder: an empty folder that may be removed.
        knobs: settings that differ, by attribute.
    """
    own: dict[str, object] = {
        "compose_project_name": f"{base.compose_project_name}-{uuid4().hex[:6]}",
        **dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
        "foundry_url": "own",
        "model": "auto",
        "state_dir": folder / "state",
        **knobs,
    }
    settings = Settings(**{**base.model_dump(), **own})
    share_model(base, settings)
    stack = OwnStack(settings, engine, folder)
    try:
        yield stack
    finally:
        stack.clear_away()


def share_model(base: Settings, settings: Settings) -> None:
    """Lend the embedded model, so that it need not be made again."""
    model = prepare_model(base.models, silent)
    link = settings.models / model.publisher / model.directory.name
    link.parent.mkdir(parents=True)
    link.symlink_to(model.directory, target_is_directory=True)


def listening() -> dict[int, int | None]:
    """Every TCP port of this machine that somebody listens on, as `ss -ltnp` shows it, with the process."""
    connections = psutil.net_connections("tcp")
    return {each.laddr.port: each.pid for each in connections if each.status == psutil.CONN_LISTEN and each.laddr}


def json_of(ended: Ended) -> dict[str, Any]:
    """The one object that a script printed."""
    found = json.loads(ended.out)
    assert isinstance(found, dict)
    return found


def quiet_end(ended: Ended, code: int) -> None:
    """Assert that an interrupted script ended in order: with this exit code, and without a traceback."""
    assert ended.code == code, ended.all
    assert "Traceback" not in ended.all
    assert "Unexpected" not in ended.all
