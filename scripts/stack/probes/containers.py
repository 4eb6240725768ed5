"""Layer container: each service's container runs and is healthy, or in which of many ways it does not."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from docker.models.containers import Container

from stack.parts.containers import SERVICE_LABEL
from stack.parts.development import sources_of
from stack.probes import nginx_said, out_of_memory
from stack.probes.as_configured import image_is_current, not_too_open
from stack.probes.report import Outcome, Status, degraded, failed, ok
from stack.probes.room import DATABASES, not_stored, volume_can_be_written, volume_is_mounted_read_only
from stack.probes.running import Running
from stack.probes.surroundings import CHAINLIT, GATEWAY, INIT
from stack.tools.text import one_line

START_SECONDS = 15.0  # how long a container may still be starting while we look
POLL_SECONDS = 0.25
NEVER = 1  # the year in which the engine says that a container started that has not
EARLY_SECONDS = 0.5  # the engine notes the start only after it: what is said at once is in the log before that
LAST_WORDS_SECONDS = 3.0  # before its end, where the container has been started again since
LAST_LINES = 8
WANTS_ITS_SECRETS = "The chat's secrets can't be read"  # so it ends rather than let anybody in

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
            break
        await asyncio.sleep(POLL_SECONDS)
    if outcome.status is Status.FAILED:
        return volume_is_mounted_read_only(container) or await _with_last_words(container, outcome)
    if outcome.status is Status.DEGRADED:
        return outcome
    return await _as_it_should_be(running, container, service, outcome)


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
            return failed("container-oom-killed", f"{status}: out of memory, {_ended(now)}", **names)
        if status == "restarting":
            return failed(
                "container-restarting", f"restarted {attributes['RestartCount']} times, {_ended(now)}", **names
            )
        return failed("container-stopped", f"{status}, {_ended(now)}", **names)
    # Of a container that runs the engine tells how it ended before: that is over once somebody started it by hand, and
    # then the engine counts its restarts from 0 again.
    by_itself = attributes["RestartCount"] > 0 or out_of_memory.kills(attributes) is None
    went_out_of_memory = now.get("OOMKilled") and by_itself
    match health.get("Status"):
        case "unhealthy":
            last = (health.get("Log") or [{}])[-1].get("Output", "")
            return failed("container-unhealthy", f"its health check says: {one_line(last, 160) or 'nothing'}", **names)
        case "starting" if went_out_of_memory:
            evidence = f"out of memory, restarted {attributes['RestartCount']} times, now starting"
            return failed("container-oom-killed", evidence, **names)
        case "starting" if attributes["RestartCount"] > 1:
            return failed(
                "container-restarting", f"restarted {attributes['RestartCount']} times, now starting", **names
            )
        case "starting":
            return failed("container-starting", "its health check has not answered yet", **names)
    if went_out_of_memory or out_of_memory.kills(attributes):
        return degraded("container-oom-killed", "runs, but a process in it was ended for lack of memory", **names)
    sources = sources_of(attributes)
    mode = f"; development mode: from {sources}" if sources else ""
    return ok(f"running, {health.get('Status') or 'no health check'}{mode}")


def _ended(now: Mapping[str, Any]) -> str:
    said = f": {one_line(now['Error'], 160)}" if now.get("Error") else ""
    return f"exit code {now['ExitCode']} at {now['FinishedAt'][:19]}Z{said}"


async def _as_it_should_be(running: Running, container: Container, service: str, fine: Outcome) -> Outcome:
    """A container that is well can still be an old one, open to others, or unable to store anything."""
    names = {"container": str(container.name), "gateway": running.name_of(GATEWAY)}
    if service in DATABASES:
        stored = await volume_can_be_written(running, container, service)
        if stored.status is not Status.OK:
            return stored
        fine = replace(fine, evidence=f"{fine.evidence}; {stored.evidence}")
    too_open = not_too_open(container.attrs, **names)
    if too_open.status is not Status.OK:
        return too_open
    engine = await running.engine()
    image = await asyncio.to_thread(image_is_current, engine, container, running.settings.image_tag, names)
    return image if image.status is not Status.OK else fine


async def _with_last_words(container: Container, outcome: Outcome) -> Outcome:
    """Add the log's last line where a container ended by itself: it mostly says why, and nginx says it exactly."""
    now = container.attrs["State"]
    started, ended = (datetime.fromisoformat(now[when]) for when in ("StartedAt", "FinishedAt"))
    if outcome.cause not in ("container-stopped", "container-restarting", "init-failed") or started.year == NEVER:
        return outcome
    since = started.timestamp() - EARLY_SECONDS
    again = now["Status"] != "exited"  # one that ended at once may have ended before its noted start, too
    if again and ended.year > NEVER and ended < started:  # it runs for a moment, and says nothing yet
        since = min(since, ended.timestamp() - LAST_WORDS_SECONDS)
    log: bytes = await asyncio.to_thread(container.logs, tail=LAST_LINES, since=since)
    said = log.decode(errors="replace").strip()
    if container.labels.get(SERVICE_LABEL) == GATEWAY and (now["ExitCode"] != 0 or now["Status"] == "running"):
        if why := nginx_said.rejected(said):
            return failed("gateway-config-rejected", f"nginx does not start: {one_line(why, 200)}", **outcome.names)
        if name := nginx_said.name_not_found(said):
            return failed("host-name-missing", f"nginx does not start: it can't find {name}", **outcome.names)
    last = one_line(said.splitlines()[-1], 160) if said else ""
    if container.labels.get(SERVICE_LABEL) in DATABASES:
        unstored = not_stored(container, said, f"{outcome.evidence}; last in its log: {last}")
        if unstored:
            return unstored
    if container.labels.get(SERVICE_LABEL) == CHAINLIT and WANTS_ITS_SECRETS in said:
        return failed("chainlit-auth-misconfigured", f"{outcome.evidence}; last in its log: {last}", **outcome.names)
    evidence = f"{outcome.evidence}; last in its log: {last}" if last else outcome.evidence
    return replace(outcome, evidence=evidence)
