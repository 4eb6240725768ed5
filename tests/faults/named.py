"""What a probe must say of one broken link: its name and its cause, alone; what needs it skipped; the rest well."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import stamina
from jsonschema import Draft202012Validator

from faults.links import Links
from stack.probes import Layer, Report, Status
from stack.probes.on_host import probe
from stack.settings import ROOT, Settings

SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "probe.schema.json").read_text(encoding="utf-8")))
GREEN_SECONDS = 90

FRONT_ENDS = ("chainlit", "open-webui", "webgpu-static")
ANSWERS = {f"answer.{each}" for each in FRONT_ENDS}
BEHIND_THE_GATEWAY = {f"network.{each}" for each in FRONT_ENDS} | {"foundry.from-gateway"} | ANSWERS
BEHIND_FOUNDRY = {"foundry.from-gateway", "model.loaded", "model.answers"} | ANSWERS
SKIPPED: dict[str, set[str]] = {
    "container.gateway": {"network.gateway"} | BEHIND_THE_GATEWAY,
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
ALL = {"engine.docker", "engine.compose", "container.init"} | SKIPPED.keys()

Break = Callable[[Links], AbstractContextManager[None]]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may stop others' processes and set packet filters")


def troubles(report: Report) -> list[tuple[str, str | None]]:
    """Every check that failed, with its cause."""
    return [(check.id, check.cause) for check in report.checks if check.status is Status.FAILED]


def seen(report: Report) -> str:
    """For the message of a test that fails."""
    return "\n".join(f"{check.id} {check.status} {check.cause}: {check.evidence}" for check in report.checks)


async def asked(settings: Settings, only: Layer | None = None) -> Report:
    """A probe whose object keeps to the published schema."""
    report = await probe(settings, only)
    SCHEMA.validate(report.to_json())
    return report


def named_alone(report: Report, root: str, cause: str) -> None:
    """Assert that this check failed for this cause; that exactly what needs it was skipped, and says so."""
    assert troubles(report) == [(root, cause)], seen(report)
    skipped = {check.id: check.evidence for check in report.checks if check.status is Status.SKIPPED}
    assert skipped == dict.fromkeys(SKIPPED[root], f"because of {root}"), seen(report)
    assert {check.id for check in report.checks} == ALL
    assert report.exit_code == 1


async def green_again(settings: Settings) -> None:
    """Wait until every check has turned out well again."""
    async for attempt in stamina.retry_context(on=AssertionError, timeout=GREEN_SECONDS, attempts=None, wait_max=2):
        with attempt:
            report = await asked(settings)
            assert report.exit_code in (0, 3), seen(report)
            assert {check.status for check in report.checks} <= {Status.OK, Status.DEGRADED}, seen(report)
            assert {check.id for check in report.checks} == ALL
