"""What the audit finds: for each item what was seen of each container, and the scorecard over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

SCHEMA = 1
BENCHMARK = "CIS Docker Benchmark 1.6.0"
CHEAT_SHEET = "OWASP Docker Security Cheat Sheet"


class Status(StrEnum):
    """How an item stands, or one container by it."""

    PASSED = "passed"
    FAILED = "failed"
    EXCEPTION = "exception"
    NOT_APPLICABLE = "not applicable"
    MACHINE = "the machine's"


# What a line says, where its containers differ: the first of these that one of them has.
_WORST_FIRST = (Status.FAILED, Status.MACHINE, Status.EXCEPTION, Status.PASSED, Status.NOT_APPLICABLE)


@dataclass(frozen=True)
class Seen:
    """What a look at one thing brought to light.

    Args:
        good: whether that is as it should be; None: the item does not apply here.
    """

    good: bool | None
    what: str


def good(what: str) -> Seen:
    """As it should be, and this shows it."""
    return Seen(True, what)


def bad(what: str) -> Seen:
    """Not as it should be."""
    return Seen(False, what)


def not_here(why: str) -> Seen:
    """There is nothing that the item could be about."""
    return Seen(None, why)


@dataclass(frozen=True)
class Finding:
    """What was seen of one container, and how it is to be taken.

    Args:
        target: the container's service; ``machine`` for what belongs to all of them.
        reason: why it is an exception, or nothing that the stack decides on.
    """

    target: str
    status: Status
    seen: str
    reason: str = ""


@dataclass(frozen=True)
class Line:
    """An item and what was found.

    Args:
        references: such as ``CIS 5.12``; the first one is the line's id.
        fix: what to set, where it failed.
        depends_on: what the outcome hangs on besides the stack, such as a module of the kernel.
    """

    references: tuple[str, ...]
    title: str
    findings: Sequence[Finding]
    fix: str = ""
    depends_on: str = ""

    @property
    def id(self) -> str:
        """By which others name it."""
        return self.references[0]

    @property
    def status(self) -> Status:
        """The worst of its findings; a line without any has failed, because nothing was looked at."""
        found = {finding.status for finding in self.findings}
        return next((status for status in _WORST_FIRST if status in found), Status.FAILED)

    @property
    def by_sight(self) -> dict[Finding, list[str]]:
        """The targets of which the same was seen, by that; in the findings, the target is then the first one's."""
        together: dict[tuple[Status, str, str], list[Finding]] = {}
        for each in self.findings:
            together.setdefault((each.status, each.seen, each.reason), []).append(each)
        return {same[0]: [each.target for each in same] for same in together.values()}


@dataclass(frozen=True)
class Scorecard:
    """All lines."""

    lines: Sequence[Line]

    @property
    def failed(self) -> list[Line]:
        """What is red."""
        return [line for line in self.lines if line.status is Status.FAILED]

    @property
    def exit_code(self) -> int:
        """0: nothing is red; 1."""
        return 1 if self.failed or not self.lines else 0

    def count(self, status: Status) -> int:
        """The number of lines of that status."""
        return sum(line.status is status for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        """One object, for programs."""
        return {
            "schema": SCHEMA,
            "benchmark": BENCHMARK,
            "status": "failed" if self.exit_code else "passed",
            "lines": [
                {
                    "id": line.id,
                    "references": list(line.references),
                    "title": line.title,
                    "status": line.status.value,
                    "findings": [asdict(finding) for finding in line.findings],
                    "fix": line.fix if line.status is Status.FAILED else None,
                }
                for line in self.lines
            ],
        }
