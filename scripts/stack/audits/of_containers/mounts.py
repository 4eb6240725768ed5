"""What of the host and of other places a container can see, and what it can write."""

from __future__ import annotations

from pathlib import Path

from stack.audits.ground import Ground
from stack.audits.item import Item
from stack.audits.scorecard import Seen, bad, good
from stack.audits.subject import Subject

HARMLESS = {"noexec", "nosuid", "nodev"}
OF_THE_ENGINE = ("/dev", "/proc", "/sys")  # below these the engine makes the mounts
SOCKETS = ("docker.sock", "containerd.sock", "podman.sock")


def _root(subject: Subject, _: Ground) -> Seen:
    if not subject.host["ReadonlyRootfs"]:
        return bad("writable")
    if subject.inside and "ro" not in subject.inside.mounts["/"]:
        return bad("the kernel has it writable")
    return good("read-only")


def _folders(subject: Subject, ground: Ground) -> Seen:
    folders = [each for each in subject.attributes["Mounts"] if each["Type"] == "bind" and not _is_socket(each)]
    for folder in folders:
        source = Path(folder["Source"])
        if not source.is_relative_to(ground.sources):
            return bad(f"{source} of the host")
        if folder["RW"]:
            return bad(f"{source} of the host, to be written")
    if folders:
        return good("development mode: its own sources, read-only")
    return good("none of the host's")


def _socket(subject: Subject, _: Ground) -> Seen:
    found = [each["Source"] for each in subject.attributes["Mounts"] if _is_socket(each)]
    return bad(f"{', '.join(found)} is mounted") if found else good("not there")


def _propagation(subject: Subject, _: Ground) -> Seen:
    shared = [each["Destination"] for each in subject.attributes["Mounts"] if each.get("Propagation", "") in SHARED]
    if subject.inside:
        shared += [where for where, options in subject.inside.mounts.items() if "shared" in options]
    return bad(f"shared: {', '.join(sorted(set(shared)))}") if shared else good("nothing is shared")


SHARED = ("shared", "rshared")


def _devices(subject: Subject, _: Ground) -> Seen:
    named = [each["PathOnHost"] for each in subject.host.get("Devices") or ()]
    if named or subject.host.get("DeviceRequests") or subject.host.get("DeviceCgroupRules"):
        return bad(", ".join(named) or "asks for some")
    return good("none")


def _memory_only(subject: Subject, _: Ground) -> Seen:
    """Space in memory runs no program; of the engine's own below /dev the kernel sees to it."""
    for where, options in (subject.host.get("Tmpfs") or {}).items():
        if missing := HARMLESS - set(options.split(",")):
            return bad(f"{where} lacks {', '.join(sorted(missing))}")
        if "size=" not in options:
            return bad(f"{where} has no limit")
    for where, seen in (subject.inside.mounts if subject.inside else {}).items():
        ours = "tmpfs" in seen and "rw" in seen and not where.startswith(OF_THE_ENGINE)
        if ours and HARMLESS - seen:
            return bad(f"{where}: the kernel runs what lies there")
    return good(f"{', '.join(subject.host.get('Tmpfs') or ()) or 'none'}")


def _volumes(subject: Subject, _: Ground) -> Seen:
    volumes = [each for each in subject.attributes["Mounts"] if each["Type"] != "bind"]
    written = sorted(each["Destination"] for each in volumes if each["RW"])
    if written:
        return bad(f"writes {', '.join(written)}")
    return good(f"reads {', '.join(sorted(each['Destination'] for each in volumes))}" if volumes else "none")


def _one_reader(subject: Subject, ground: Ground) -> Seen:
    mine = _names(subject)
    for other in ground.subjects:
        if other.service != subject.service and other.lasts and subject.lasts and (both := mine & _names(other)):
            return bad(f"{len(both)} of its volumes mounted by {other.service} too")
    return good("none is another's")


def _names(subject: Subject) -> set[str]:
    return {each["Name"] for each in subject.attributes["Mounts"] if each["Type"] == "volume"}


def _is_socket(mount: dict[str, str]) -> bool:
    return Path(mount["Source"]).name in SOCKETS


ITEMS = (
    Item(
        ("CIS 5.13", "OWASP #8", "house"),
        "Ensure that the container's root filesystem is mounted as read only",
        _root,
        "`read_only: true`",
    ),
    Item(
        ("CIS 5.6", "house"),
        "Ensure sensitive host system directories are not mounted on containers",
        _folders,
        "no `volumes` of `type: bind`",
    ),
    Item(
        ("CIS 5.32", "OWASP #1", "house"),
        "Ensure that the Docker socket is not mounted inside any containers",
        _socket,
        "no engine's socket among its `volumes`",
    ),
    Item(
        ("CIS 5.20",),
        "Ensure mount propagation mode is not set to shared",
        _propagation,
        "no `propagation: shared`",
    ),
    Item(
        ("CIS 5.18",),
        "Ensure that host devices are not directly exposed to containers",
        _devices,
        "no `devices`",
    ),
    Item(
        ("house tmpfs",),
        "Space in memory is limited and runs no program",
        _memory_only,
        "`size=`, `noexec`, `nosuid` and `nodev` for each `tmpfs`",
    ),
    Item(
        ("OWASP #8", "house"),
        "Set filesystem and volumes to read-only",
        _volumes,
        "`read_only: true` for each of its `volumes`",
    ),
    Item(
        ("house own-volumes", "OWASP #12"),
        "No two services that last share a volume, so each secret has one reader",
        _one_reader,
        "a volume of its own",
    ),
)
