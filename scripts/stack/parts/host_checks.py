"""What must be true of the machine before anything is changed on it: room on disk and in memory, CPUs, free ports."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import psutil
from docker import DockerClient

from stack.parts.containers import size_of_volumes
from stack.parts.disk import MB, require_room
from stack.settings import PORTS, Settings
from stack.tools.errors import StackError

# One clean build leaves 1.2 GB of images (0.83 GB of it Open WebUI's; shared layers counted once) and 1.9 GB of layers
# that only building needs (`docker system df`, `docker buildx du`). The rest is for an image that is built again while
# the old one is there: 1.7 GB for Open WebUI's.
IMAGES_DISK = 5_000 * MB
MODEL_DISK = 1_000 * MB  # the embedded model while it is made (0.2 GB), before it the archive of a base image, and logs
RUNNING_DISK = 200 * MB  # logs and small state, when everything is there already
MEMORY = 2_000 * MB  # Foundry Local with the embedded model (0.6 GB) and the containers (0.7 GB), and air
DOCKER_ROOT = Path("/var/lib/docker")
LOOPBACK = "127.0.0.1"


def check_disk(settings: Settings, client: DockerClient | None, *, first_time: bool) -> None:
    """Refuse to start on a disk that would be full before the end.

    Args:
        client: says where images are kept; None while there is no engine yet.
        first_time: whether images and model are still to be made.

    Raises:
        StackError: ``disk-full`` with the folder, what is free and what is needed; exit code 2.
    """
    images, model = (IMAGES_DISK, MODEL_DISK) if first_time else (RUNNING_DISK, RUNNING_DISK)
    require_room({settings.state: model, docker_root(client): images}, "the stack")


def check_disk_for_upgrade(settings: Settings, client: DockerClient) -> None:
    """Refuse an upgrade on a disk that would be full before the end: new images, a backup, and room for the way back.

    Raises:
        StackError: ``disk-full``; exit code 2.
    """
    data = size_of_volumes(settings, client)
    require_room({docker_root(client): IMAGES_DISK + data, settings.backups: data}, "the upgrade")


def check_cpus(settings: Settings, client: DockerClient) -> None:
    """Refuse a limit that the engine would refuse, after minutes of building: more CPUs than it has.

    Raises:
        StackError: ``too-many-cpus`` with the knob and what there is; exit code 2.
    """
    there = int(client.info()["NCPU"])  # the engine's, which may be in a smaller virtual machine
    shown = "1 CPU" if there == 1 else f"{there} CPUs"
    for name in type(settings).model_fields:
        if name.endswith("_cpus") and (wanted := getattr(settings, name)) > there:
            raise StackError(
                f"{name.upper()}={wanted:g} is more than there is: the Docker Engine has {shown}.",
                fix=f"Put {name.upper()}={there} or less into .env, or give Docker more CPUs.",
                cause="too-many-cpus",
                exit_code=2,
            )


def check_memory() -> None:
    """Refuse to start where the model would not fit. Ask only while the stack is not running: it counts itself.

    Raises:
        StackError: ``memory-low``; exit code 2.
    """
    available = psutil.virtual_memory().available
    if available < MEMORY:
        raise StackError(
            f"Too little memory: {available / MB:.0f} MB are available, {MEMORY / MB:.0f} MB are needed.",
            fix="End a program that uses much memory, then run this again.",
            cause="memory-low",
            exit_code=2,
        )


def check_ports(
    settings: Settings,
    client: DockerClient | None = None,
    *,
    foundry_addresses: Sequence[str] = (LOOPBACK,),
    our_pids: Collection[int] = (),
    our_ports: Collection[int] = (),
) -> None:
    """Refuse to start where somebody else listens on a port of the stack's.

    Args:
        client: names the container behind a port that Docker holds.
        foundry_addresses: where the relay will listen.
        our_pids: processes that may hold a port (our relay and Foundry Local).
        our_ports: ports that may be held by anybody (those of our own containers, whose holder is Docker).

    Raises:
        StackError: ``port-taken``, with the holder as far as this user may see it; exit code 2.
    """
    for name in PORTS:
        knob, port = name.upper(), getattr(settings, name)
        addresses = foundry_addresses if name == "foundry_port" else (LOOPBACK,)
        if port in our_ports:
            continue
        pid = _listener(port, addresses)
        if pid in our_pids or (pid is None and all(_can_bind(address, port) for address in addresses)):
            continue
        raise StackError(
            f"Port {port} ({knob}) is taken by {_holder(port, pid, client)}.",
            fix=f"Stop that program, or choose another port: put {knob}={free_ports(1)[0]} into .env",
            cause="port-taken",
            exit_code=2,
        )


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def bridge_addresses(client: DockerClient) -> list[str]:
    """The addresses under which containers know the host, if they are this machine's: none with Docker Desktop.

    There (and with rootless Docker) the bridge is in another network stack, and the host's loopback is reached anyway.
    """
    bridge = client.api.inspect_network("bridge")
    name = bridge["Options"].get("com.docker.network.bridge.name", "")
    subnets = [ip_network(config["Subnet"]) for config in bridge["IPAM"]["Config"] or []]
    local = (each.address for each in psutil.net_if_addrs().get(name, []) if each.family == socket.AF_INET)
    return [address for address in local if any(ip_address(address) in subnet for subnet in subnets)]


def _listener(port: int, addresses: Sequence[str]) -> int | None:
    """The process that listens on the port; None if nobody does, or if this user may not see who."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:  # macOS shows them to root only
        return None
    overlapping = {*addresses, "0.0.0.0", "::"}  # noqa: S104  (compared, not bound)
    for connection in connections:
        local = connection.laddr
        if connection.status == psutil.CONN_LISTEN and local and local.port == port and local.ip in overlapping:
            return connection.pid
    return None


def _can_bind(address: str, port: int) -> bool:
    with socket.socket() as probe:
        if os.name != "nt":  # elsewhere it lets a port be taken that was closed a moment ago, and no more than that
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as refused:
            return refused.errno not in (errno.EADDRINUSE, errno.EACCES)
        return True


def _holder(port: int, pid: int | None, client: DockerClient | None) -> str:
    for container in client.containers.list(ignore_removed=True) if client else []:
        if str(port) in _published(container.ports):
            return f"the container `{container.name}`"
    if pid is None:
        return f"another user's program (to see which: sudo ss -ltnp 'sport = :{port}')"
    try:
        process = psutil.Process(pid)
        return f"`{process.name()}` (pid {pid}, user {process.username()})"
    except psutil.Error:
        return f"the process {pid}"


def _published(ports: dict[str, list[dict[str, str]] | None]) -> set[str]:
    return {binding["HostPort"] for bindings in ports.values() for binding in bindings or []}


def docker_root(client: DockerClient | None) -> Path:
    return Path(client.info()["DockerRootDir"]) if client else DOCKER_ROOT
