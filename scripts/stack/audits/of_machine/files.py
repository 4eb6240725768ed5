"""CIS section 3: whose the daemon's files are, and who may do what with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from stack.audits.ground import Machine
from stack.audits.item import MachineItem
from stack.audits.scorecard import Seen, bad, good, not_here

SERVICE = ("/lib/systemd/system/docker.service", "/usr/lib/systemd/system/docker.service")
SOCKET_UNIT = ("/lib/systemd/system/docker.socket", "/usr/lib/systemd/system/docker.socket")
SOCKET = ("/var/run/docker.sock",)
CONTAINERD = ("/run/containerd/containerd.sock", "/run/docker/containerd/containerd.sock")
CERTIFICATES = Path("/etc/docker/certs.d")
OURS = "root:root"


def _first(machine: Machine, paths: tuple[str, ...], judge: Callable[[str], Seen]) -> Seen:
    found = next((path for path in paths if machine.file(path)), None)
    return judge(found) if found else not_here(f"no {paths[0]} to be seen")


def _owner(paths: tuple[str, ...], wanted: str = OURS) -> Callable[[Machine], Seen]:
    def look(machine: Machine) -> Seen:
        def judge(path: str) -> Seen:
            file = machine.file(path)
            owner = f"{file.owner}:{file.group}" if file else ""
            return good(f"{path}: {owner}") if owner == wanted else bad(f"{path}: {owner}")

        return _first(machine, paths, judge)

    return look


def _mode(paths: tuple[str, ...], most: int) -> Callable[[Machine], Seen]:
    def look(machine: Machine) -> Seen:
        def judge(path: str) -> Seen:
            file = machine.file(path)
            mode = file.mode if file else 0o7777
            return good(f"{path}: {mode:o}") if not mode & ~most else bad(f"{path}: {mode:o}")

        return _first(machine, paths, judge)

    return look


def _of_option(option: str, look: Callable[[tuple[str, ...]], Callable[[Machine], Seen]]) -> Callable[[Machine], Seen]:
    """The same for the file that one of the daemon's options names."""

    def look_there(machine: Machine) -> Seen:
        named = (machine.options or {}).get(option)
        return look((named,))(machine) if named else not_here("no TLS configured")

    return look_there


def _certificates(look: Callable[[tuple[str, ...]], Callable[[Machine], Seen]]) -> Callable[[Machine], Seen]:
    """The same for each registry's; the first one that is not as it should be."""

    def look_there(machine: Machine) -> Seen:
        seen = [look((str(path),))(machine) for path in sorted(CERTIFICATES.glob("*/*.crt"))]
        return next((each for each in seen if not each.good), seen[0] if seen else not_here("no registry's to be seen"))

    return look_there


def _pair(owners: tuple[str, str], modes: tuple[str, str], paths: tuple[str, ...], most: int) -> list[MachineItem]:
    """The two items on a file, each by its number and title."""
    wanted = "root:docker" if paths == SOCKET else OURS
    return [
        MachineItem((f"CIS {owners[0]}",), owners[1], _owner(paths, wanted)),
        MachineItem((f"CIS {modes[0]}",), modes[1], _mode(paths, most)),
    ]


ITEMS = (
    *_pair(
        ("3.1", "Ensure that the docker.service file ownership is set to root:root"),
        ("3.2", "Ensure that docker.service file permissions are appropriately set"),
        SERVICE,
        0o644,
    ),
    *_pair(
        ("3.3", "Ensure that docker.socket file ownership is set to root:root"),
        ("3.4", "Ensure that docker.socket file permissions are set to 644 or more restrictive"),
        SOCKET_UNIT,
        0o644,
    ),
    *_pair(
        ("3.5", "Ensure that the /etc/docker directory ownership is set to root:root"),
        ("3.6", "Ensure that /etc/docker directory permissions are set to 755 or more restrictively"),
        ("/etc/docker",),
        0o755,
    ),
    MachineItem(
        ("CIS 3.7",),
        "Ensure that registry certificate file ownership is set to root:root",
        _certificates(_owner),
    ),
    MachineItem(
        ("CIS 3.8",),
        "Ensure that registry certificate file permissions are set to 444 or more restrictively",
        _certificates(lambda paths: _mode(paths, 0o444)),
    ),
    MachineItem(
        ("CIS 3.9",),
        "Ensure that TLS CA certificate file ownership is set to root:root",
        _of_option("tlscacert", _owner),
    ),
    MachineItem(
        ("CIS 3.10",),
        "Ensure that TLS CA certificate file permissions are set to 444 or more restrictively",
        _of_option("tlscacert", lambda paths: _mode(paths, 0o444)),
    ),
    MachineItem(
        ("CIS 3.11",),
        "Ensure that Docker server certificate file ownership is set to root:root",
        _of_option("tlscert", _owner),
    ),
    MachineItem(
        ("CIS 3.12",),
        "Ensure that the Docker server certificate file permissions are set to 444 or more restrictively",
        _of_option("tlscert", lambda paths: _mode(paths, 0o444)),
    ),
    MachineItem(
        ("CIS 3.13",),
        "Ensure that the Docker server certificate key file ownership is set to root:root",
        _of_option("tlskey", _owner),
    ),
    MachineItem(
        ("CIS 3.14",),
        "Ensure that the Docker server certificate key file permissions are set to 400",
        _of_option("tlskey", lambda paths: _mode(paths, 0o400)),
    ),
    *_pair(
        ("3.15", "Ensure that the Docker socket file ownership is set to root:docker"),
        ("3.16", "Ensure that the Docker socket file permissions are set to 660 or more restrictively"),
        SOCKET,
        0o660,
    ),
    *_pair(
        ("3.17", "Ensure that the daemon.json file ownership is set to root:root"),
        ("3.18", "Ensure that daemon.json file permissions are set to 644 or more restrictive"),
        ("/etc/docker/daemon.json",),
        0o644,
    ),
    *_pair(
        ("3.19", "Ensure that the /etc/default/docker file ownership is set to root:root"),
        ("3.20", "Ensure that the /etc/default/docker file permissions are set to 644 or more restrictively"),
        ("/etc/default/docker",),
        0o644,
    ),
    *_pair(
        ("3.22", "Ensure that the /etc/sysconfig/docker file ownership is set to root:root"),
        ("3.21", "Ensure that the /etc/sysconfig/docker file permissions are set to 644 or more restrictively"),
        ("/etc/sysconfig/docker",),
        0o644,
    ),
    *_pair(
        ("3.23", "Ensure that the Containerd socket file ownership is set to root:root"),
        ("3.24", "Ensure that the Containerd socket file permissions are set to 660 or more restrictively"),
        CONTAINERD,
        0o660,
    ),
)
