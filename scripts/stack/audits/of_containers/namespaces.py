"""That a container sees a network, processes, memory and a name of its own."""

from __future__ import annotations

from collections.abc import Callable

from stack.audits.ground import Ground
from stack.audits.item import Item
from stack.audits.scorecard import Seen, bad, good
from stack.audits.subject import Subject


def _own(setting: str, kind: str = "") -> Callable[[Subject, Ground], Seen]:
    """Neither the host's nor another container's, as the engine has it and as the kernel does.

    Args:
        setting: the engine's name for it.
        kind: the kernel's name; none: the kernel can't be asked.
    """

    def look(subject: Subject, ground: Ground) -> Seen:
        mode = str(subject.host.get(setting) or "")
        if mode == "host" or mode.startswith("container:") or mode == "shareable":
            return bad(f"shared: {mode.partition(':')[0]}")
        hosts = ground.machine.namespaces.get(kind)
        if subject.inside and hosts is not None and subject.inside.namespaces.get(kind) == hosts:
            return bad("the kernel says that it is the host's")
        return good("its own" if kind else "not the host's by request")

    return look


ITEMS = (
    Item(
        ("CIS 5.10", "house"),
        "Ensure that the host's network namespace is not shared",
        _own("NetworkMode", "net"),
        "no `network_mode: host`",
    ),
    Item(
        ("CIS 5.16", "house"),
        "Ensure that the host's process namespace is not shared",
        _own("PidMode", "pid"),
        "no `pid: host`",
    ),
    Item(
        ("CIS 5.17", "house"),
        "Ensure that the host's IPC namespace is not shared",
        _own("IpcMode", "ipc"),
        "no `ipc: host`",
    ),
    Item(
        ("CIS 5.21", "house"),
        "Ensure that the host's UTS namespace is not shared",
        _own("UTSMode", "uts"),
        "no `uts: host`",
    ),
    Item(
        ("CIS 5.31", "house"),
        "Ensure that the host's user namespaces are not shared",
        _own("UsernsMode"),
        "no `userns_mode: host`",
    ),
)
