"""Layer container: each service's container runs and is healthy, or in which of many ways it does not."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from docker.models.containers import Container

from stack.parts.development import sources_of
from stack.probes.report import Outcome, degraded, failed, ok
from stack.probes.running import Running
from stack.probes.surroundings import CHAINLIT, GATEWAY, INIT
from stack.tools.text import one_line

START_SECONDS = 15.0  # how long a container may still be starting while we look
POLL_SECONDS = 0.25
NEVER = 1  # the year in which the engine says that a container started that has not
EARLY_SECONDS = 0.5  # the engine notes the start only after it: what is said at once is in the log before that

_PORT_TAKEN = re.compile(r"Bind for [\d.]+:(\d+) failed|listen tcp4? [\d.]+:(\d+): bind")


async def service_runs(running: Running, service: str) -> Outcome:
    """The service's container runs, and says itself that it is healthy; one that is starting is waited for a little."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        container = await running.container(service)
        if container is None:
            return failed(
                "container-missing",
                f"no container of service {service} in project {running.settings.compose_project_name}",
            )
        outcome = judge(container.attrs, gateway=running.name_of(GATEWAY))
        if outcome.cause != "container-starting" or time.monotonic() > deadline:
            return await _with_last_words(container, outcome)
        await asyncio.sleep(POLL_SECONDS)


async def init_ended_well(running: Running) -> Outcome:
    """The one-shot container that makes the secrets has ended with 0."""
    container = await running.container(INIT)
    if container is None:
        if await running.container(GATEWAY) or await running.container(CHAINLIT):
            return ok("removed after it had ended")  # `docker container prune` does that, and it is no harm
        return failed("container-missing", f"project {running.settings.compose_project_name} has no containers")
    now = container.attrs["State"]
    if now["Status"] == "exited" and now["ExitCode"] == 0:
        return ok("ended with 0")
    return await _with_last_words(
        container, failed("init-failed", f"{now['Status']}, exit code {now['ExitCode']}", container=str(container.name))
    )


def judge(attributes: Mapping[str, Any], gateway: str = "") -> Outcome:  # noqa: PLR0911  (one return for each state)
    """What the engine's record of a container (as `docker inspect` shows it) says about its state."""
    now: Mapping[str, Any] = attributes["State"]
    name = str(attributes["Name"]).lstrip("/")
    status = now["Status"]
    health = now.get("Health") or {}
    names = {"container": name, "gateway": gateway}
    if status == "paused":
        return failed("container-paused", "paused", **names)
    if status != "running":
        if taken := _PORT_TAKEN.search(now.get("Error") or ""):
            return failed("port-taken", one_line(now["Error"], 200), port=taken[1] or taken[2])
        if now.get("OOMKilled"):
            return failed("container-oom-killed", f"out of memory, {_ended(now)}", **names)
        if status == "restarting":
            return failed(
                "container-restarting", f"restarted {attributes['RestartCount']} times, {_ended(now)}", **names
            )
        return failed("container-stopped", f"{status}, {_ended(now)}", **names)
    match health.get("Status"):
        case "unhealthy":
            last = (health.get("Log") or [{}])[-1].get("Output", "")
            return failed("container-unhealthy", f"its health check says: {one_line(last, 160) or 'nothing'}", **names)
        case "starting" if attributes["RestartCount"] > 1:
            return failed(
                "container-restarting", f"restarted {attributes['RestartCount']} times, now starting", **names
            )
        case "starting":
            return failed("container-starting", "its health check has not answered yet", **names)
    if now.get("OOMKilled"):
        return degraded("container-oom-killed", "runs, but a process in it was ended for lack of memory", **names)
    sources = sources_of(attributes)
    mode = f"; development mode: from {sources}" if sources else ""
    return ok(f"running, {health.get('Status') or 'no health check'}{mode}")


def _ended(now: Mapping[str, Any]) -> str:
    said = f": {one_line(now['Error'], 160)}" if now.get("Error") else ""
    return f"exit code {now['ExitCode']} at {now['FinishedAt'][:19]}Z{said}"


async def _with_last_words(container: Container, outcome: Outcome) -> Outcome:
    """Add the log's last line since the last start where a container ended by itself: it mostly says why."""
    started = datetime.fromisoformat(container.attrs["State"]["StartedAt"])
    if outcome.cause not in ("container-stopped", "container-restarting", "init-failed") or started.year == NEVER:
        return outcome
    log: bytes = await asyncio.to_thread(container.logs, tail=1, since=started.timestamp() - EARLY_SECONDS)
    last = one_line(log.decode(errors="replace"), 160)
    evidence = f"{outcome.evidence}; last in its log: {last}" if last else outcome.evidence
    return Outcome(outcome.status, outcome.cause, evidence, outcome.names)
