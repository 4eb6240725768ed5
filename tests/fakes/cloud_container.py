"""The cloud's stand-in in a container of its own, which keeps every byte that it gets; published on loopback only."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import httpx
from docker import DockerClient

from fakes import cloud
from fakes.cloud import Habit
from fakes.spare_stack import NO_LABELS
from fakes.waiting import wait_until
from stack.parts.host_checks import free_ports
from stack.settings import Settings

PORT, CONTROL = 9000, 9001


@dataclass(frozen=True)
class Heard:
    """What has reached it."""

    connections: int
    questions: int
    received: bytes


class CloudWitness(Protocol):
    """However it runs."""

    @property
    def url(self) -> str:
        """As CLOUD_URL."""

    def behave(self, habit: Habit) -> None:
        """From now on."""

    def heard(self) -> Heard:
        """So far."""


@dataclass(frozen=True)
class InContainer:
    """See `CloudWitness`."""

    url: str
    control: str
    address: str  # of its own, on Docker's default network
    name: str

    def behave(self, habit: Habit) -> None:
        """From now on."""
        httpx.put(f"{self.control}/{habit}", trust_env=False).raise_for_status()

    def heard(self) -> Heard:
        """So far."""
        said = httpx.get(self.control, trust_env=False).json()
        return Heard(said["connections"], said["questions"], base64.b64decode(said["received"]))


@contextlib.contextmanager
def cloud_in_a_container(settings: Settings, engine: DockerClient) -> Iterator[InContainer]:
    """On Docker's default network, like any other server of this machine's that is none of the stack's business."""
    port, control = free_ports(2)
    source = Path(cloud.__file__).read_text(encoding="utf-8")
    container = engine.containers.run(
        f"localhost/foundry-stack/chainlit:{settings.image_tag}",
        entrypoint=["/opt/venv/bin/python", "-c", source, str(PORT), str(CONTROL)],
        init=True,
        detach=True,
        name=f"{settings.compose_project_name}-cloud-{uuid4().hex[:6]}",  # two may be there at a time
        labels=NO_LABELS,
        ports={f"{PORT}/tcp": ("127.0.0.1", port), f"{CONTROL}/tcp": ("127.0.0.1", control)},
    )
    try:
        wait_until(lambda: b"listens" in container.logs(), 30)
        container.reload()
        address = str(container.attrs["NetworkSettings"]["IPAddress"])
        yield InContainer(f"http://127.0.0.1:{port}/v1", f"http://127.0.0.1:{control}", address, str(container.name))
    finally:
        container.remove(force=True)
