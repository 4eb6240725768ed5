"""CIS section 1, and what of section 6 is the owner's daily work: the machine itself."""

from __future__ import annotations

from pathlib import Path

from stack.audits.ground import Machine
from stack.audits.item import MachineItem
from stack.audits.scorecard import Seen, bad, good, not_here

MOUNTS = Path("/proc/self/mounts")
GROUP = Path("/etc/group")


def _partition(machine: Machine) -> Seen:
    if machine.options is None or not MOUNTS.exists():
        return not_here("the engine's disk can't be seen from here")
    root = str(machine.info.get("DockerRootDir"))
    places = {line.split()[1] for line in MOUNTS.read_text(encoding="utf-8").splitlines()}
    return good(f"{root} is one") if root in places else bad(f"{root} is on another's")


def _members(machine: Machine) -> Seen:
    if machine.options is None or not GROUP.exists():
        return not_here("no such group here")
    groups = dict(line.split(":", 1) for line in GROUP.read_text(encoding="utf-8").splitlines() if ":" in line)
    members = groups.get("docker", "").rpartition(":")[2]
    return not_here(f"members of the group docker: {members or 'none'}; whether they are trusted, the owner knows")


def _unseen(_: Machine) -> Seen:
    return not_here("not looked at: it is the machine's, and only root sees it")


def _sprawl(machine: Machine) -> Seen:
    return not_here(f"{machine.info.get('Images')} images; which of them are wanted, the owner knows")


ITEMS = (
    MachineItem(("CIS 1.1.1",), "Ensure a separate partition for containers has been created", _partition),
    MachineItem(("CIS 1.1.2",), "Ensure only trusted users are allowed to control Docker daemon", _members),
    MachineItem(
        ("CIS 1.1.3 to 1.1.18",),
        "Ensure auditing is configured for the Docker daemon, its files and directories",
        _unseen,
    ),
    MachineItem(("CIS 1.2.1", "OWASP #0"), "Ensure the container host has been Hardened", _unseen),
    MachineItem(("CIS 6.1",), "Ensure that image sprawl is avoided", _sprawl),
)
