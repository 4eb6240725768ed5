"""`docker compose up --wait` without the scripts and without Foundry Local: pages open, and the monitor says why."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from docker import DockerClient

from fakes.waiting import wait_until
from stack.parts.containers import remove_images
from stack.parts.host_checks import free_ports
from stack.settings import PORTS, ROOT, Settings
from stack.tools.docker_engine import compose
from stack.tools.process import run

START_SECONDS = 240


@pytest.fixture
def nobodys(settings: Settings, engine: DockerClient) -> Iterator[Settings]:
    """A project that was never brought up, on ports of its own; gone afterwards, with its names of the images."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    names = {
        "compose_project_name": f"{settings.compose_project_name}-plain",
        "image_tag": f"{settings.image_tag}-plain",
    }
    own = settings.model_copy(update={**names, **ports})
    try:
        for image in engine.images.list(name="localhost/foundry-stack/*"):
            for tag in image.tags:
                if tag.endswith(f":{settings.image_tag}"):
                    image.tag(tag.rpartition(":")[0], own.image_tag)
        yield own
    finally:
        down = [sys.executable, "scripts/down.py", "--volumes", "--yes"]
        assert run(down, cwd=ROOT, env=own.as_environment, timeout=120).code == 0
        remove_images(own, engine)


def readyz(own: Settings) -> tuple[int, dict[str, object]]:
    answer = httpx.get(f"http://127.0.0.1:{own.monitor_port}/readyz", timeout=60)
    return answer.status_code, answer.json()


@pytest.mark.full
@pytest.mark.timeout(600)
def test_the_pages_open_and_the_monitor_names_what_is_missing_until_up_brings_it(nobodys: Settings) -> None:
    own = nobodys
    started = compose(["up", "--detach", "--wait", "--wait-timeout", "180"], project=ROOT, env=own.as_environment)
    assert started.code == 0, started.err
    for port in (own.chainlit_port, own.open_webui_port, own.webgpu_port):
        page = httpx.get(f"http://127.0.0.1:{port}/")
        assert (page.status_code, "<html" in page.text) == (200, True)
    assert httpx.get(f"http://127.0.0.1:{own.monitor_port}/healthz").json() == {"status": "ok"}
    status, body = readyz(own)
    failed = {check["id"]: (check["cause"], check["fix"]) for check in body["checks"] if check["status"] == "failed"}
    assert (status, failed) == (503, {"foundry.status": ("relay-down", "python3 scripts/up.py")}), json.dumps(body)

    up = run([sys.executable, "scripts/up.py", "--yes"], cwd=ROOT, env=own.as_environment, timeout=START_SECONDS)
    assert up.code == 0, up.out + up.err
    ended = datetime.now(UTC)

    def was_asked_since() -> bool:
        return datetime.fromisoformat(str(readyz(own)[1]["checked_at"])) > ended

    wait_until(was_asked_since, own.monitor_interval + 60)
    status, body = readyz(own)
    assert status == 200, json.dumps(body)
