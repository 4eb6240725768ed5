"""What a probe must say of one broken link: its name and its cause, alone; what needs it skipped; the rest well."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import pytest
import stamina
from jsonschema import Draft202012Validator

from faults.detectors import switched_off
from faults.links import Links
from faults.matrix import Matrix
from stack.probes import Check, Layer, Report, Status
from stack.probes.on_host import probe
from stack.settings import ROOT, Settings

SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "probe.schema.json").read_text(encoding="utf-8")))
GREEN_SECONDS = 90

FRONT_ENDS = ("chainlit", "open-webui", "webgpu-static")
ANSWERS = {f"answer.{each}" for each in FRONT_ENDS}
BEHIND_THE_GATEWAY = {f"network.{each}" for each in FRONT_ENDS} | {"foundry.from-gateway"} | ANSWERS
BEHIND_FOUNDRY = {"foundry.from-gateway", "model.loaded", "model.answers"} | ANSWERS
ON_CONTAINERS = {"network.gateway"} | BEHIND_THE_GATEWAY
SERVICES = {f"container.{each}" for each in ("gateway", *FRONT_ENDS, "monitor")}
SKIPPED: dict[str, set[str]] = {
    "engine.docker": {"engine.disk", "container.init"} | SERVICES | ON_CONTAINERS,
    "engine.compose": set(),
    "engine.disk": set(),
    "container.init": SERVICES | ON_CONTAINERS,
    "container.gateway": ON_CONTAINERS,
    "network.gateway": BEHIND_THE_GATEWAY,
    "foundry.relay": {"foundry.status"} | BEHIND_FOUNDRY,
    "foundry.status": BEHIND_FOUNDRY,
    "foundry.from-gateway": ANSWERS,
    "model.loaded": {"model.answers"} | ANSWERS,
    "model.answers": ANSWERS,
    "container.monitor": set(),
}
for _each in FRONT_ENDS:
    SKIPPED[f"container.{_each}"] = {f"network.{_each}", f"answer.{_each}"}
    SKIPPED[f"network.{_each}"] = {f"answer.{_each}"}
    SKIPPED[f"answer.{_each}"] = set()
ALL = SKIPPED.keys()

Break = Callable[[Links], AbstractContextManager[None]]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may stop others' processes and set packet filters")


def troubles(report: Report, status: Status = Status.FAILED) -> list[tuple[str, str | None]]:
    """Every check that turned out so, with its cause."""
    return [(check.id, check.cause) for check in report.checks if check.status is status]


def seen(report: Report) -> str:
    """For the message of a test that fails."""
    return "\n".join(f"{check.id} {check.status} {check.cause}: {check.evidence}" for check in report.checks)


async def asked(settings: Settings, only: Layer | None = None) -> Report:
    """A probe whose object keeps to the published schema."""
    report = await probe(settings, only)
    SCHEMA.validate(report.to_json())
    return report


@dataclass
class Probed:
    """Asks the probe while something is injected, compares what it names, and keeps the count.

    Args:
        blind_too: once for each cause, the same is asked with the cause's detector switched off, and must not be named.
    """

    settings: Settings
    matrix: Matrix
    blind_too: bool
    _green: bool = False

    def with_knobs(self, **knobs: object) -> Probed:
        """The same, by other settings than the stack was brought up with."""
        return replace(self, settings=self.settings.model_copy(update=knobs))

    async def fails(self, root: str, cause: str) -> Check:
        """Assert that this check alone fails, for this cause; that just what needs it is skipped, and says so.

        Returns:
            The check.
        """
        report = await self._named(cause, root, Status.FAILED)
        skipped = {check.id: check.evidence for check in report.checks if check.status is Status.SKIPPED}
        assert skipped == dict.fromkeys(SKIPPED[root], f"because of {root}"), seen(report)
        assert report.exit_code == (2 if root == "engine.docker" else 1)
        return _check(report, root)

    async def degrades(self, root: str, cause: str) -> Check:
        """Assert that this check alone is degraded, for this cause, and that all others are well.

        Returns:
            The check.
        """
        report = await self._named(cause, root, Status.DEGRADED)
        assert not troubles(report, Status.SKIPPED), seen(report)
        assert not troubles(report), seen(report)
        assert report.exit_code == 3
        return _check(report, root)

    async def slows(self, cause: str, certainly: set[str]) -> None:
        """Assert that all works, that at least these checks are degraded, and that whatever is so is for this cause."""
        self._green = False
        report = await asked(self.settings)
        self.matrix.note(cause, set(_causes(report)))
        found = troubles(report, Status.DEGRADED)
        assert {why for _, why in found} == {cause}, seen(report)
        assert certainly <= {name for name, _ in found}, seen(report)
        assert report.exit_code == 3, seen(report)
        if blind := await self._asked_blind(cause):
            assert cause not in _causes(blind)

    async def every_answer_fails(self, cause: str) -> None:
        """Assert that each front end, asked without what lies below, sees the cause in what comes through it."""
        self._green = False
        report = await asked(self.settings, Layer.ANSWER)
        self.matrix.note(cause, _causes(report))
        assert troubles(report) == [(f"answer.{each}", cause) for each in FRONT_ENDS], seen(report)

    async def is_green(self) -> None:
        """Wait until every check has turned out well."""
        if self._green:
            return
        async for attempt in stamina.retry_context(on=AssertionError, timeout=GREEN_SECONDS, attempts=None, wait_max=2):
            with attempt:
                report = await asked(self.settings)
                assert report.exit_code in (0, 3), seen(report)
                assert {check.status for check in report.checks} <= {Status.OK, Status.DEGRADED}, seen(report)
                assert {check.id for check in report.checks} == ALL
        self._green = True

    def something_happened(self) -> None:
        """What was green need not be so any more."""
        self._green = False

    async def _named(self, cause: str, root: str, status: Status) -> Report:
        self._green = False
        report = await asked(self.settings)
        self.matrix.note(cause, _causes(report))
        assert troubles(report, status) == [(root, cause)], seen(report)
        assert {check.id for check in report.checks} == ALL
        if blind := await self._asked_blind(cause):
            assert troubles(blind, status) != [(root, cause)], f"named with its detector off:\n{seen(blind)}"
        return report

    async def _asked_blind(self, cause: str) -> Report | None:
        """A probe with the cause's detector switched off; None where that is not wanted, or was done in this run."""
        if not self.blind_too or self.matrix.was_blind(cause):
            return None
        with switched_off(cause):
            blind = await asked(self.settings)
        self.matrix.note_blind(cause, _causes(blind))
        return blind


def _causes(report: Report) -> list[str | None]:
    return [check.cause for check in report.checks if check.status in (Status.FAILED, Status.DEGRADED)]


def _check(report: Report, name: str) -> Check:
    (found,) = [check for check in report.checks if check.id == name]
    return found
