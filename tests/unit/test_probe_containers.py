"""Each state that the engine notes about a container has its own name."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from stack.probes.containers import EARLY_SECONDS, LAST_WORDS_SECONDS, _with_last_words, judge
from stack.probes.report import failed

ENDED = {"ExitCode": 137, "FinishedAt": "2026-11-22T15:00:00.123Z", "Error": "", "OOMKilled": False}
RUNNING = {"Status": "running", "ExitCode": 0, "FinishedAt": "0001-01-01T00:00:00Z", "Error": "", "OOMKilled": False}


def record(state: dict[str, Any], restarts: int = 0) -> dict[str, Any]:
    return {"Name": "/stack-chainlit-1", "RestartCount": restarts, "State": state}


@pytest.mark.parametrize(
    ("state", "restarts", "cause"),
    [
        (RUNNING, 0, None),
        (RUNNING | {"Health": {"Status": "healthy"}}, 3, None),
        (RUNNING | {"Health": {"Status": "starting"}}, 0, "container-starting"),
        (RUNNING | {"Health": {"Status": "starting"}}, 4, "container-restarting"),
        (RUNNING | {"Health": {"Status": "unhealthy", "Log": [{"Output": "no\nbody"}]}}, 0, "container-unhealthy"),
        (RUNNING | {"OOMKilled": True}, 0, "container-oom-killed"),
        (RUNNING | {"Status": "paused", "Health": {"Status": "unhealthy"}}, 0, "container-paused"),
        (ENDED | {"Status": "exited"}, 0, "container-stopped"),
        (ENDED | {"Status": "dead"}, 0, "container-stopped"),
        (ENDED | {"Status": "exited", "OOMKilled": True}, 0, "container-oom-killed"),
        (ENDED | {"Status": "restarting"}, 7, "container-restarting"),
        (
            ENDED
            | {
                "Status": "created",
                "Error": "driver failed programming external connectivity on endpoint x: "
                "Bind for 127.0.0.1:8080 failed: port is already allocated",
            },
            0,
            "port-taken",
        ),
        (
            ENDED
            | {
                "Status": "created",
                "Error": "Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
            },
            0,
            "port-taken",
        ),
    ],
)
def test_cause(state: dict[str, Any], restarts: int, cause: str | None) -> None:
    outcome = judge(record(state, restarts))
    assert outcome.cause == cause
    assert outcome.evidence
    if cause == "port-taken":
        assert outcome.names["port"] == "8080"


def test_evidence_shows_what_the_health_check_said_on_one_line() -> None:
    state = RUNNING | {"Health": {"Status": "unhealthy", "Log": [{"Output": "old"}, {"Output": "no\nbody\n"}]}}
    assert "no body" in judge(record(state)).evidence


@pytest.mark.parametrize("status", ["exited", "restarting"])
async def test_what_is_quoted_of_one_that_ended_before_its_noted_start(status: str) -> None:
    """The engine notes the start only after it: 10 of 40 that ended at once had "ended" before they "started"."""
    started, ended = "2026-11-22T15:00:00.200+00:00", "2026-11-22T15:00:00.150+00:00"
    asked: dict[str, Any] = {}
    container = SimpleNamespace(
        attrs={"State": ENDED | {"Status": status, "StartedAt": started, "FinishedAt": ended}},
        labels={},
        logs=lambda **options: asked.update(options) or b"",
    )
    cause = "container-stopped" if status == "exited" else "container-restarting"
    await _with_last_words(container, failed(cause, "ended"))  # type: ignore[arg-type]
    noted, before = (datetime.fromisoformat(each).timestamp() for each in (started, ended))
    assert asked["since"] == (noted - EARLY_SECONDS if status == "exited" else before - LAST_WORDS_SECONDS)
