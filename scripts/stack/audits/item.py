"""One thing to be looked at, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stack.audits.ground import Ground, Machine
from stack.audits.scorecard import Seen
from stack.audits.subject import Subject


@dataclass(frozen=True)
class Item:
    """Asked of each container.

    Args:
        references: where it stands, such as ``CIS 5.12`` and ``OWASP #7``; the first one is its id.
        title: CIS's or OWASP's own words where it stands there.
        fix: what to set, in compose.yaml if nothing else is named.
        depends_on: what the outcome hangs on besides the stack, such as a module of the kernel.
    """

    references: tuple[str, ...]
    title: str
    look: Callable[[Subject, Ground], Seen]
    fix: str
    depends_on: str = ""


@dataclass(frozen=True)
class MachineItem:
    """Asked of the machine, whose owner decides on it. It never turns the scorecard red.

    Args:
        reason: why it is not the stack's, where that is not the same as for all.
    """

    references: tuple[str, ...]
    title: str
    look: Callable[[Machine], Seen]
    reason: str = ""
