"""The report's status, exit code and JSON, and how people see it."""

from __future__ import annotations

import io
import json

import pytest
from jsonschema import Draft202012Validator
from rich.console import Console

from stack.probes.report import Check, Layer, Report, Status
from stack.reports.table import show
from stack.settings import ROOT

SCHEMA = Draft202012Validator(json.loads((ROOT / "docs" / "probe.schema.json").read_text(encoding="utf-8")))


def check(status: Status, cause: str | None = None, fix: str | None = None) -> Check:
    return Check("foundry.relay", Layer.FOUNDRY, "host", status, 0.1234, cause, fix, "seen [this]")


OK = check(Status.OK)
SKIPPED = check(Status.SKIPPED)
SLOW = check(Status.DEGRADED, "slow-first-token", "wait")
BROKEN = check(Status.FAILED, "relay-down", "python3 scripts/up.py")
NO_ENGINE = check(Status.FAILED, "engine-unreachable", "python3 scripts/up.py")


@pytest.mark.parametrize(
    ("checks", "status", "exit_code"),
    [
        ([OK, OK], "ok", 0),
        ([OK, SLOW], "degraded", 3),
        ([SLOW, BROKEN, SKIPPED], "failed", 1),
        ([NO_ENGINE, SKIPPED], "failed", 2),
        ([SKIPPED], "failed", 1),
        ([], "failed", 1),
    ],
)
def test_status_and_exit_code(checks: list[Check], status: str, exit_code: int) -> None:
    report = Report(checks)
    assert report.to_json()["status"] == status
    assert report.exit_code == exit_code


@pytest.mark.parametrize("one", [OK, SKIPPED, SLOW, BROKEN])
def test_json_keeps_to_the_schema(one: Check) -> None:
    SCHEMA.validate(json.loads(json.dumps(Report([one]).to_json())))


@pytest.mark.parametrize(
    "change",
    [{"cause": None}, {"fix": None}, {"status": "green"}, {"layer": "kernel"}, {"target": "moon"}, {"more": 1}],
)
def test_the_schema_refuses_what_is_not_in_the_contract(change: dict[str, object]) -> None:
    report = Report([BROKEN]).to_json()
    report["checks"][0] |= change
    assert not SCHEMA.is_valid(report)


def test_under_a_red_table_stands_the_fix_in_full_and_nothing_is_taken_for_markup() -> None:
    fix = "docker logs --tail 30 foundry-stack-chainlit-1; python3 scripts/up.py\n# " + "and then look again " * 10
    paper = io.StringIO()
    show(Report([check(Status.FAILED, "relay-down", fix)]), Console(file=paper, width=60))
    assert fix in paper.getvalue()
    assert "seen [this]" in paper.getvalue()


def test_on_80_columns_there_is_room_for_what_was_seen() -> None:
    paper = io.StringIO()
    seen = "first text after 0.48 s, proper end after 1.17"
    longest = Check("container.webgpu-static", Layer.CONTAINER, "webgpu-static", Status.OK, 12.3, None, None, seen * 2)
    show(Report([longest]), Console(file=paper, width=80, force_terminal=True, color_system=None))
    (line,) = [line for line in paper.getvalue().splitlines() if line.startswith("container.")]
    assert seen[:35] in line
    assert len(line) <= 80
