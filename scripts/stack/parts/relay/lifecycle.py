"""Start, stop and find the relay's process."""

from __future__ import annotations

import hashlib
import http.client
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from stack.parts import state
from stack.parts.relay.headers import VIA
from stack.parts.relay.rules import Door
from stack.parts.relay.server import ADDRESS_TAKEN
from stack.settings import Settings
from stack.tools import interrupts
from stack.tools.errors import StackError
from stack.tools.process import spawn_daemon
from stack.tools.user import run_as

MODULE = "stack.parts.relay.server"
CLOUD_FILE = "cloud.json"
SCRIPTS = Path(__file__).resolve().parents[3]
TOOLS = ("cloud_address.py", "under_way.py")  # what its own modules need besides
START_SECONDS = 15
STOP_SECONDS = 5
ANSWER_SECONDS = 5
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Relay:
    """A relay of ours that runs: its process and the addresses it listens on (`127.0.0.1:51211`, ...)."""

    pid: int
    started: float
    listen: tuple[str, ...]
    code: str


def start(settings: Settings, listen: Sequence[str], token_file: Path | None = None) -> Relay:
    """Have a relay that listens on exactly these addresses: the one that runs, if it is the same, else a new one.

    Args:
        listen: `address:port`, such as 127.0.0.1:51211 and 172.17.0.1:51211.
        token_file: what all but 127.0.0.1 and ::1 must bring; default: `relay-token` in the state folder.

    Raises:
        StackError: ``port-taken``, ``relay-not-started``.
    """
    wanted = tuple(str(Door.parse(address)) for address in listen)
    running = status(settings)
    if running and running.listen == wanted and running.code == code_version() and all(map(answers, wanted)):
        return running
    stop(settings)
    return _start_new(settings, wanted, token_file or settings.state / "relay-token")


def stop(settings: Settings) -> bool:
    """End this project's relay, also one that no file tells of; returns whether one was running."""
    running = status(settings)
    stopped = running is not None and state.stop_process(running.pid, running.started, STOP_SECONDS)
    for process in psutil.process_iter():  # one whose `up` was killed before it had signed in
        try:
            if is_relay_of(settings, process.cmdline()):
                stopped = state.stop_process(process.pid, process.create_time(), STOP_SECONDS) or stopped
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    _state_file(settings).unlink(missing_ok=True)
    return stopped


def status(settings: Settings) -> Relay | None:
    """This project's relay; None when it does not run."""
    written = state.read_json(_state_file(settings))
    if written is None:
        return None
    try:
        relay = Relay(
            int(written["pid"]), float(written["started"]), tuple(written["listen"]), str(written.get("code"))
        )
    except (KeyError, TypeError, ValueError):
        return None
    return relay if state.is_alive(relay.pid, relay.started) else None


def answers(address: str, timeout: float = ANSWER_SECONDS) -> bool:
    """Whether a relay (any) answers at ``address`` within ``timeout`` seconds; a refusal is an answer too."""
    door = Door.parse(address)
    connection = http.client.HTTPConnection(door.host, door.port, timeout=timeout)
    try:
        connection.request("GET", "/")
        return VIA in (connection.getresponse().getheader("Via") or "")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def code_version() -> str:
    """Changes with the relay's code and its Python, so that `up` knows a running relay that is not of today."""
    parts = [sys.version, sys.executable, *(file.read_text() for file in _code())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _code() -> list[Path]:
    return [*sorted(Path(__file__).parent.glob("*.py")), *(SCRIPTS / "stack" / "tools" / name for name in TOOLS)]


def is_relay_of(settings: Settings, argv: Sequence[str]) -> bool:
    """Whether a process that was started so is this project's relay."""
    return MODULE in argv and str(_state_file(settings)) in argv


def _start_new(settings: Settings, listen: Sequence[str], token_file: Path) -> Relay:
    state.private_folder(settings.state)
    uid, gid = run_as()
    log = settings.state / "relay.log"
    argv = [sys.executable, "-m", MODULE]
    for address in listen:
        argv += ["--listen", address]
    argv += ["--token-file", str(token_file), "--upstream-file", str(settings.state / "foundry.json")]
    argv += ["--cloud-file", str(settings.state / CLOUD_FILE)]
    argv += ["--state-file", str(_state_file(settings)), "--log-file", str(log), "--code", code_version()]
    spawned: tuple[int, float] | None = None
    try:
        with interrupts.deferred():
            pid = spawn_daemon(argv, log, env={"PYTHONPATH": str(SCRIPTS)}, uid=uid, gid=gid)
            spawned = pid, state.process_started(pid)
        relay = _wait_until_it_listens(settings, pid, listen)
        if not all(map(answers, listen)):
            raise _not_started(settings, "it listens, but does not answer")
    except BaseException:
        if spawned:
            state.stop_process(*spawned, STOP_SECONDS)
        raise
    return relay


def _wait_until_it_listens(settings: Settings, pid: int, listen: Sequence[str]) -> Relay:
    """Wait for the state file, which the relay writes once it listens."""
    deadline = time.monotonic() + START_SECONDS
    process = psutil.Process(pid)
    while time.monotonic() < deadline:
        relay = status(settings)
        if relay and relay.pid == pid:
            return relay
        try:
            code = process.wait(timeout=POLL_SECONDS)
        except psutil.TimeoutExpired:
            continue
        raise _port_taken(listen) if code == ADDRESS_TAKEN else _not_started(settings, f"it ended with code {code}")
    raise _not_started(settings, f"it did not listen within {START_SECONDS} s")


def _port_taken(listen: Sequence[str]) -> StackError:
    doors = [Door.parse(address) for address in listen]
    door, owner = next(((door, owner) for door in doors if (owner := _owner(door))), (doors[0], None))
    return StackError(
        f"Port {door.port} on {door.host} is taken by {owner or 'another program'}.",
        fix=f"Stop that program, or choose another port: FOUNDRY_PORT={door.port + 1} in `.env`.",
        cause="port-taken",
    )


def _owner(door: Door) -> str | None:
    """The program that listens on the door's port, as far as this user may know it."""
    anywhere = (door.host, "0.0.0.0", "::")  # noqa: S104  (read, not listened on)
    try:
        for found in psutil.net_connections(kind="tcp"):
            if found.status == psutil.CONN_LISTEN and found.pid and found.laddr:
                host, port = found.laddr
                if port == door.port and host in anywhere:
                    return f"{psutil.Process(found.pid).name()} (process {found.pid})"
    except psutil.Error:
        return None
    return None


def _not_started(settings: Settings, reason: str) -> StackError:
    log = settings.state / "relay.log"
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] if log.exists() else []
    return StackError(
        f"The relay did not start: {reason}. {' '.join(last)}".strip(),
        fix=f"See {log}.",
        cause="relay-not-started",
    )


def _state_file(settings: Settings) -> Path:
    return settings.state / "relay.json"
