"""What the probe finds: one outcome for each check, and the report over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

SCHEMA = 1


class Status(StrEnum):
    """How a check, or the whole report, turned out."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Layer(StrEnum):
    """Where a check looks, from the ground up."""

    ENGINE = "engine"
    CONTAINER = "container"
    NETWORK = "network"
    FOUNDRY = "foundry"
    MODEL = "model"
    ANSWER = "answer"


@dataclass(frozen=True)
class Speed:
    """How fast an answer came.

    Args:
        tokens_per_second: after the first text; None where single tokens can't be seen, or there was but one.
    """

    first_text_seconds: float
    tokens_per_second: float | None = None


@dataclass(frozen=True)
class Outcome:
    """What one question brought to light.

    Args:
        cause: an id from `stack.probes.causes`; None when all is well.
        evidence: what was seen, in one line.
        names: fill the blanks of the cause's fix, such as ``container``.
        fix: in place of the catalogue's, where the one who found it knows better.
        speed: of the answer, where there was one.
    """

    status: Status
    cause: str | None
    evidence: str
    names: dict[str, str] = field(default_factory=dict)
    fix: str | None = None
    speed: Speed | None = None


def ok(evidence: str, speed: Speed | None = None) -> Outcome:
    """All is well, and this shows it."""
    return Outcome(Status.OK, None, evidence, speed=speed)


def failed(cause: str, evidence: str, **names: str) -> Outcome:
    """Broken, and why."""
    return Outcome(Status.FAILED, cause, evidence, names)


def degraded(cause: str, evidence: str, **names: str) -> Outcome:
    """It works, but slowly or not as configured."""
    return Outcome(Status.DEGRADED, cause, evidence, names)


@dataclass(frozen=True)
class Check:
    """A question and its outcome, as the report shows it; ``seconds`` is how long the answer took."""

    id: str
    layer: Layer
    target: str
    status: Status
    seconds: float
    cause: str | None
    fix: str | None
    evidence: str


@dataclass(frozen=True)
class Report:
    """All checks of one probe. ``seconds`` is the time of the whole, less than the sum: checks run side by side."""

    checks: Sequence[Check]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0

    @property
    def status(self) -> Status:
        """The worst of the checks; a report without checks has failed, because nothing was proved."""
        found = {check.status for check in self.checks}
        if Status.FAILED in found or not found - {Status.SKIPPED}:
            return Status.FAILED
        return Status.DEGRADED if Status.DEGRADED in found else Status.OK

    @property
    def exit_code(self) -> int:
        """0 ok, 1 broken, 2 the engine could not be asked, 3 degraded."""
        if any(check.cause in ("engine-unreachable", "engine-not-permitted") for check in self.checks):
            return 2
        return {Status.OK: 0, Status.FAILED: 1, Status.DEGRADED: 3}[self.status]

    def to_json(self) -> dict[str, Any]:
        """The object described by `docs/probe.schema.json`."""
        return {
            "schema": SCHEMA,
            "status": self.status.value,
            "started_at": self.started_at.isoformat(timespec="milliseconds"),
            "seconds": round(self.seconds, 3),
            "checks": [asdict(check) | {"seconds": round(check.seconds, 3)} for check in self.checks],
        }


def troubles(checks: Iterable[Check]) -> list[Check]:
    """The checks that something must be done about."""
    return [check for check in checks if check.status in (Status.FAILED, Status.DEGRADED)]
