"""What the kernel says of a running container, asked from inside by its own user: /proc, and what lies on its disk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from docker.models.containers import Container

# Programs that build others, fetch things, talk to other machines or look into processes. (Debian's own apt belongs to
# the base and can do nothing on a read-only root, without root.)
TOOLS = (
    *("gcc", "cc", "make", "ld", "pip", "pip3", "npm", "node"),
    *("curl", "wget", "git", "ssh", "scp", "sftp", "telnet", "nc", "ncat", "socat", "docker"),
    *("tcpdump", "gdb", "strace"),
)
_LISTENS = "0A"  # the state of a socket in /proc/net/tcp
_MARK = "--8<--"
# Whoever enters the container, such as its health check, is for some milliseconds still the engine's own program, with
# the engine's rights. One that is so at each look is no such thing, and is judged as any other.
_ENTERING = "runc:["
_LOOKS = 5
_ASKERS = ("cat", "find", "grep", "readlink")  # without one of these, nothing seen would not mean nothing there
_PARTS = {
    "askers": f"for each in {' '.join(_ASKERS)}; do command -v $each; done",
    "processes": "cat /proc/[0-9]*/status",
    "namespaces": "for each in net pid ipc uts mnt; do echo $each $(readlink /proc/self/ns/$each); done",
    "mounts": "cat /proc/self/mountinfo",
    "limits": "cat /proc/self/limits",
    "sockets": "cat /proc/net/tcp /proc/net/tcp6",
    "ipv6": "cat /proc/net/if_inet6",
    "confinement": "cat /proc/self/attr/current",
    "tools": f"for each in {' '.join(TOOLS)}; do command -v $each; done",
    "setuid": "find / -xdev -type f -perm /6000",
    "unsigned": "grep -rlE 'trusted[=:] *yes|AllowUnauthenticated|AllowInsecureRepositories' /etc/apt",
}


@dataclass(frozen=True)
class Process:
    """One line of the container's own list of processes.

    Args:
        capabilities: of each of its five sets the bits that are on, together.
    """

    pid: int
    name: str
    users: frozenset[int]
    capabilities: int
    no_new_privileges: bool
    seccomp: bool


@dataclass(frozen=True)
class Inside:
    """The container as it is from inside.

    Args:
        mounts: by place, the options, and ``tmpfs`` or another kind of file system, and ``shared`` where it is.
        listening: ports on other addresses than loopback.
        confinement: what AppArmor or SELinux call what the processes may do; empty without either.
        tools: those of `TOOLS` that are there.
        setuid: files that run as another user or group.
        unsigned: files of apt that let packages in that nobody has signed.
    """

    processes: Sequence[Process]
    namespaces: Mapping[str, str]
    mounts: Mapping[str, frozenset[str]]
    open_files: int
    listening: frozenset[int]
    ipv6: bool
    confinement: str
    tools: Sequence[str]
    setuid: Sequence[str]
    unsigned: Sequence[str]


def look(container: Container) -> Inside:
    """Ask in the container, which must run. One that sees the host's processes has none here: they are not its own."""
    script = "\n".join(f"echo '{_MARK}{name}'; {{ {command}; }} 2>/dev/null" for name, command in _PARTS.items())
    for _ in range(_LOOKS):
        _, output = container.exec_run(["sh", "-c", script])
        seen = parse(cast("bytes", output).decode(errors="replace"))
        if not any(process.name.startswith(_ENTERING) for process in seen.processes):
            break
    return replace(seen, processes=[]) if container.attrs["HostConfig"]["PidMode"] == "host" else seen


def parse(output: str) -> Inside:
    """Read what the script prints."""
    first, *rest = (f"\n{output}").split(f"\n{_MARK}")
    parts = {name: text for name, _, text in (part.partition("\n") for part in rest)}
    asked = parts.get("askers", "").split()
    if set(parts) != set(_PARTS) or len(asked) < len(_ASKERS) or not parts["processes"]:
        raise ValueError(f"the container did not answer as expected: {first.strip() or output[-200:]}")
    return Inside(
        processes=[_process(each) for each in re.split(r"(?m)^(?=Name:\t)", parts["processes"]) if each.strip()],
        namespaces=dict(line.split(" ", 1) for line in parts["namespaces"].splitlines() if " " in line),
        mounts=dict(map(_mount, parts["mounts"].splitlines())),
        open_files=_open_files(parts["limits"]),
        listening=frozenset(_listening(parts["sockets"])),
        ipv6=bool([line for line in parts["ipv6"].splitlines() if not line.endswith(" lo")]),
        confinement=parts["confinement"].strip("\0\n "),
        tools=parts["tools"].split(),
        setuid=sorted(parts["setuid"].split()),
        unsigned=parts["unsigned"].split(),
    )


def _process(status: str) -> Process:
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in status.splitlines())}
    capabilities = 0
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        capabilities |= int(fields[name], 16)
    return Process(
        pid=int(fields["Pid"]),
        name=fields["Name"],
        users=frozenset(map(int, fields["Uid"].split())),
        capabilities=capabilities,
        no_new_privileges=fields["NoNewPrivs"] == "1",
        seccomp=fields["Seccomp"] == "2",
    )


def _mount(line: str) -> tuple[str, frozenset[str]]:
    """A line of mountinfo; of several mounts at one place, the last one is the one that is seen."""
    mine, _, file_system = line.partition(" - ")
    _, _, _, _, where, options, *optional = mine.split()
    shared = {"shared" for each in optional if each.startswith("shared:")}
    return where, frozenset({*options.split(","), file_system.split()[0], *shared})


def _open_files(limits: str) -> int:
    found = re.search(r"^Max open files +\S+ +(\S+)", limits, re.MULTILINE)
    if found is None:
        raise ValueError("the container does not tell how many files its processes may open")
    return -1 if found[1] == "unlimited" else int(found[1])


def _listening(table: str) -> set[int]:
    ports = set()
    for line in table.splitlines():
        _, local, _, state, *_ = [*line.split(), "", "", "", ""]
        address, _, port = local.partition(":")
        loopback = address.endswith("7F") or address == "00000000000000000000000001000000"
        if state == _LISTENS and not loopback:
            ports.add(int(port, 16))
    return ports
