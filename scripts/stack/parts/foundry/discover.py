"""Finds a Foundry Local that the user runs himself. What belongs to a stack (this one or another) is never his."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil

from stack.parts.foundry import api
from stack.settings import Settings
from stack.tools.errors import StackError

LOOK_SECONDS = 3.0
OUR_MODULES = ("stack.parts.foundry.serve", "stack.parts.relay")
LOOKS_LIKE_FOUNDRY = ("foundry", "inference.service.agent")
RUNTIME_LIBRARY = "libfoundry_local"
THIS_MACHINE = ("localhost", "127.0.0.1", "::1", "host.docker.internal")
ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  (read, not listened on)


@dataclass(frozen=True)
class Found:
    """A Foundry Local of the user's.

    Attributes:
        pid: of its process; None where it can't be seen (another machine's).
        open_to_network: whether it listens on every address of the machine, so that others can reach it.
    """

    url: str
    pid: int | None
    model_cache: str
    open_to_network: bool

    @property
    def port(self) -> int | None:
        """The port in its address."""
        return urlsplit(self.url).port

    @property
    def warning(self) -> str | None:
        """What the user should know about where it listens."""
        if not self.open_to_network:
            return None
        return (
            f"Careful: your Foundry Local at {self.url} listens on all addresses of this machine. Everybody on your "
            "network can use it, read its conversations and stop it. Start it on 127.0.0.1 only."
        )


@dataclass(frozen=True)
class _Listener:
    port: int
    pid: int | None
    everywhere: bool


def find(settings: Settings) -> Found | None:
    """The Foundry Local to adopt, by the FOUNDRY_URL knob; None where the stack is to start its own.

    Raises:
        StackError: ``foundry-url-unreachable``, a named address at which no Foundry Local of the user's answers.
    """
    if settings.foundry_url == "own":
        return None
    if settings.foundry_url == "auto":
        return next(search(settings.foundry_port), None)
    try:
        return at_address(settings.foundry_url)
    except StackError as refused:
        raise _our_own_door(settings) or refused from None


def search(first_port: int) -> Iterator[Found]:
    """All that run on this machine: on the well-known port first, then by port from low to high."""
    listeners = sorted(_listeners(), key=lambda listener: listener.port)
    looked_at: set[int] = set()
    for listener in listeners:
        if listener.port == first_port:
            looked_at.add(listener.port)
            yield from _verified(listener)
    for listener in listeners:
        if listener.port not in looked_at and listener.pid is not None and _looks_like_foundry(listener.pid):
            looked_at.add(listener.port)
            yield from _verified(listener)


def at_address(url: str) -> Found:
    """The Foundry Local at an address that the user named.

    Raises:
        StackError: ``foundry-url-unreachable``.
    """
    status = api.status(url, LOOK_SECONDS)
    if status is None:
        raise _unreachable(url, "no Foundry Local answers there")
    if status.through_our_relay or _is_ours(_local_pid(url, status)):
        raise _unreachable(url, "what answers there is the stack's own Foundry Local or relay, not yours")
    everywhere = any(str(urlsplit(endpoint).hostname) in ANY_ADDRESS for endpoint in status.endpoints)
    return Found(url, _local_pid(url, status), status.model_cache, everywhere)


def _verified(listener: _Listener) -> Iterator[Found]:
    url = f"http://127.0.0.1:{listener.port}"
    if _is_ours(listener.pid):
        return
    status = api.status(url, LOOK_SECONDS)
    if status is None or status.through_our_relay or _is_ours(status.pid):
        return
    yield Found(url, status.pid, status.model_cache, listener.everywhere)


def _listeners() -> Iterable[_Listener]:
    """Listening TCP ports that loopback reaches, with their processes as far as the user may see them."""
    found: dict[int, _Listener] = {}
    for pid, connection in _connections():
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        host, port = connection.laddr
        everywhere = host in ANY_ADDRESS
        if not everywhere and not ipaddress.ip_address(host).is_loopback:
            continue
        before = found.get(port)
        found[port] = _Listener(
            port, pid or (before.pid if before else None), everywhere or bool(before and before.everywhere)
        )
    return found.values()


def _connections() -> Iterator[tuple[int | None, Any]]:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            yield connection.pid, connection
    except psutil.AccessDenied:  # macOS: only root may ask for all, so ask each process
        for process in psutil.process_iter():
            try:
                for own in process.net_connections(kind="tcp"):
                    yield process.pid, own
            except psutil.Error:
                continue


def _looks_like_foundry(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        words = " ".join([process.name(), *process.cmdline()]).casefold()
        if any(word in words for word in LOOKS_LIKE_FOUNDRY):
            return True
        return hasattr(process, "memory_maps") and any(
            RUNTIME_LIBRARY in mapped.path for mapped in process.memory_maps()
        )
    except (psutil.Error, OSError):
        return False


def _is_ours(pid: int | None) -> bool:
    """Whether the process is a daemon of this project, from whichever clone."""
    if pid is None:
        return False
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return any(argument.startswith(OUR_MODULES) for argument in command)


def _local_pid(url: str, status: api.Status) -> int | None:
    host = urlsplit(url).hostname or ""
    return status.pid if host == "localhost" or host.startswith("127.") or host == "::1" else None


def _our_own_door(settings: Settings) -> StackError | None:
    """The error for the address of one of the stack's own ports, where no Foundry Local of the user's listens."""
    doors = {
        settings.chainlit_port: "the page of the stack's chat (CHAINLIT_PORT)",
        settings.open_webui_port: "the page of the stack's Open WebUI (OPEN_WEBUI_PORT)",
        settings.webgpu_port: "the page of the stack's WebGPU demo (WEBGPU_PORT)",
        settings.monitor_port: "the stack's monitor (MONITOR_PORT)",
        settings.foundry_port: "the stack's own way to Foundry Local (FOUNDRY_PORT)",
    }
    address = urlsplit(settings.foundry_url)
    if address.port not in doors or address.hostname not in THIS_MACHINE:
        return None
    return StackError(
        f"FOUNDRY_URL={settings.foundry_url}: that is {doors[address.port]}, and not a Foundry Local of yours.",
        fix="Give the address that your Foundry Local itself names; or set FOUNDRY_URL=auto in .env: then it is found, "
        "or one is started.",
        cause="foundry-url-unreachable",
    )


def _unreachable(url: str, why: str) -> StackError:
    return StackError(
        f"FOUNDRY_URL={url}: {why}.",
        fix="Start your Foundry Local (it says its address), or set FOUNDRY_URL=own in .env and `up` starts one.",
        cause="foundry-url-unreachable",
    )
