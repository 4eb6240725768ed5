"""Every item, in the order of the lists that they come from."""

from __future__ import annotations

import re

from stack.audits.item import Item, MachineItem
from stack.audits.of_containers import images, limits, mounts, namespaces, privileges, running, traffic
from stack.audits.of_machine import daemon, files, host


def in_order(reference: str) -> tuple[str, list[int], str]:
    """CIS, OWASP, house; and 5.9 before 5.10."""
    source, _, rest = reference.partition(" ")
    return source, [int(number) for number in re.findall(r"\d+", rest) if source != "house"], rest


ITEMS: tuple[Item, ...] = tuple(
    sorted(
        (item for theme in (images, limits, mounts, namespaces, privileges, running, traffic) for item in theme.ITEMS),
        key=lambda item: in_order(item.references[0]),
    )
)
MACHINE_ITEMS: tuple[MachineItem, ...] = tuple(
    sorted(
        (item for theme in (daemon, files, host) for item in theme.ITEMS), key=lambda item: in_order(item.references[0])
    )
)
