"""`init` on volumes of its own, as its service runs it: what it makes, and what it does when it is told to rotate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from docker import DockerClient
from docker.models.containers import Container

from fakes.spare_stack import NO_LABELS
from stack.parts import made_secrets

FILES = (
    "gateway/token",
    "gateway/cloud-token",
    "chainlit/secret-key",
    "chainlit/admin-password",
    "chainlit/probe-password",
    "chainlit/monitor-password",
    "chainlit/cloud-token",
    "open-webui/secret-key",
    "open-webui/admin-password",
    "open-webui/probe-password",
    "open-webui/monitor-password",
    "monitor/chainlit-password",
    "monitor/open-webui-password",
)
PAIRS = {
    "gateway/cloud-token": "chainlit/cloud-token",
    "chainlit/monitor-password": "monitor/chainlit-password",
    "open-webui/monitor-password": "monitor/open-webui-password",
}
"""Secrets that two services know."""


class Init:
    """A volume for each service, and the image that fills them."""

    def __init__(self, engine: DockerClient, image: str) -> None:
        self._engine, self._image = engine, image
        self._name = f"init-test-{uuid4().hex[:8]}"
        self._volumes = [
            engine.volumes.create(f"{self._name}-{service}")
            for service in sorted({file.partition("/")[0] for file in FILES})
        ]

    def run(self, *arguments: str, instead: str | None = None) -> tuple[int, str]:
        """Run it to its end; the exit code and what it said.

        Args:
            instead: run this in the shell, as the same user with the same rights.
        """
        container = self._create(["sh", "-c", instead] if instead else ["/usr/local/bin/make-secrets", *arguments])
        try:
            container.start()
            code = container.wait(timeout=30)["StatusCode"]
            return int(code), container.logs().decode()
        finally:
            container.remove(force=True)

    def values(self) -> dict[str, str]:
        """Every secret by its file."""
        container = self._create(["true"])
        try:
            return {file: made_secrets.read(container, *file.split("/")) for file in FILES}
        finally:
            container.remove(force=True)

    def clear_away(self) -> None:
        for volume in self._volumes:
            volume.remove(force=True)

    def _create(self, argv: list[str]) -> Container:
        return self._engine.containers.create(
            self._image,
            entrypoint=argv,
            labels=NO_LABELS,
            network_mode="none",
            user="0:0",
            cap_drop=["ALL"],
            cap_add=["CHOWN"],
            read_only=True,
            volumes={
                volume.name: {"bind": f"/secrets/{volume.name.removeprefix(self._name + '-')}", "mode": "rw"}
                for volume in self._volumes
            },
        )


@contextmanager
def init_alone(engine: DockerClient, image: str) -> Iterator[Init]:
    """Have it for as long as the block runs."""
    init = Init(engine, image)
    try:
        yield init
    finally:
        init.clear_away()
