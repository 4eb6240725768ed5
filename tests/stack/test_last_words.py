"""Of a container that has ended, the probe quotes what it said in its last life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from docker import DockerClient
from docker.models.containers import Container

from fakes.spare_stack import NO_LABELS
from fakes.waiting import wait_until
from stack.probes.containers import EARLY_SECONDS, _with_last_words
from stack.probes.report import failed

TALKS_ONCE = "[ -e /tmp/been-here ] || echo first words; touch /tmp/been-here; exit 3"


@pytest.fixture
def ended(engine: DockerClient, container: Callable[[str], Container]) -> Iterator[Container]:
    """A container that is still to start."""
    image = container("chainlit").image
    made = engine.containers.create(image, entrypoint=["sh", "-c", TALKS_ONCE], labels=NO_LABELS)
    yield made
    made.remove(force=True)


async def evidence(container: Container) -> str:
    container.reload()
    return (await _with_last_words(container, failed("container-stopped", "exited"))).evidence


async def test_only_since_the_last_start(ended: Container) -> None:
    assert await evidence(ended) == "exited"
    ended.start()
    ended.wait()
    assert await evidence(ended) == "exited; last in its log: first words"
    finished = datetime.fromisoformat(ended.attrs["State"]["FinishedAt"])
    wait_until(lambda: datetime.now(UTC) > finished + timedelta(seconds=EARLY_SECONDS))
    ended.start()
    ended.wait()
    assert await evidence(ended) == "exited"
