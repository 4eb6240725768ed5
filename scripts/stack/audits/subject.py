"""A container to be audited: everything that the engine and the kernel say about it, gathered before it is judged."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, cast

from docker import DockerClient
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from stack.audits import inside
from stack.audits.inside import Inside
from stack.parts.containers import SERVICE_LABEL
from stack.probes.as_configured import image_is_current
from stack.probes.report import Outcome
from stack.probes.surroundings import GATEWAY, INIT
from stack.tools.errors import StackError

NETWORK_LABEL = "com.docker.compose.network"


@dataclass(frozen=True)
class Subject:
    """A container.

    Args:
        attributes: as `docker inspect` shows it.
        image: of the image that it runs, the same.
        steps: by which the image was built, the first one first.
        networks: those that it is on, by name, as `docker network inspect` shows them.
        commands: that are run in it from outside, or about to be, as the engine shows them.
        current: whether it runs the image that its name stands for now.
        setuid: files that run as another user or group.
        inside: None where it does not run.
    """

    service: str
    attributes: Mapping[str, Any]
    image: Mapping[str, Any]
    steps: Sequence[str]
    networks: Mapping[str, Mapping[str, Any]]
    commands: Sequence[Mapping[str, Any]]
    current: Outcome
    setuid: Sequence[str]
    inside: Inside | None

    @property
    def host(self) -> Mapping[str, Any]:
        """The engine's settings for it."""
        return cast("Mapping[str, Any]", self.attributes["HostConfig"])

    @property
    def config(self) -> Mapping[str, Any]:
        """What it runs."""
        return cast("Mapping[str, Any]", self.attributes["Config"])

    @property
    def options(self) -> list[str]:
        """Its security options, each as ``name=value``."""
        return [option.replace(":", "=", 1) for option in self.host.get("SecurityOpt") or ()]

    @property
    def lasts(self) -> bool:
        """Whether it is to run until it is stopped; `init` ends within a second."""
        return self.service != INIT

    @property
    def is_the_door(self) -> bool:
        """Whether it is the one container with a way to the host."""
        return self.service == GATEWAY


def gather(engine: DockerClient, containers: Sequence[Container], tag: str) -> list[Subject]:
    """Look at the containers, side by side.

    Args:
        tag: that of this project's images.

    Raises:
        StackError: ``audit-could-not-look``; exit code 2.
    """
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda container: _subject(engine, container, tag), containers))


def _subject(engine: DockerClient, container: Container, tag: str) -> Subject:
    try:
        container.reload()
        runs = container.attrs["State"]["Status"] == "running"
        image = engine.images.get(container.attrs["Image"])
        # Before the look inside, which is a command run from outside itself.
        commands = list(_commands(engine, container.attrs.get("ExecIDs") or ()))
        within = inside.look(container) if runs else None
        return Subject(
            service=container.labels.get(SERVICE_LABEL, ""),
            attributes=container.attrs,
            image=image.attrs,
            steps=[step["CreatedBy"] for step in reversed(image.history())],
            networks=dict(_networks(engine, container)),
            commands=commands,
            current=image_is_current(engine, container, tag, {}),
            setuid=within.setuid if within else _setuid_on_disk(container),
            inside=within,
        )
    except (DockerException, OSError, ValueError) as silent:
        raise StackError(
            f"The container {container.name} can't be looked at: {silent}",
            fix="python3 scripts/probe.py   says what is wrong with it.",
            cause="audit-could-not-look",
            exit_code=2,
        ) from silent


def _commands(engine: DockerClient, ids: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for each in ids:
        try:
            command = engine.api.exec_inspect(each)
        except NotFound:  # it has ended
            continue
        yield command["ProcessConfig"]


def _networks(engine: DockerClient, container: Container) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, end in container.attrs["NetworkSettings"]["Networks"].items():
        network = engine.api.inspect_network(end.get("NetworkID") or name)
        yield (network.get("Labels") or {}).get(NETWORK_LABEL, name), network


def _setuid_on_disk(container: Container) -> list[str]:
    """The same for a container that has ended, from the engine's copy of its disk."""
    with TemporaryFile() as file:
        for piece in cast("Iterator[bytes]", container.export()):
            file.write(piece)
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as disk:
            return sorted(f"/{member.name}" for member in disk if member.isfile() and member.mode & 0o6000)
