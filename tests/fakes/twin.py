"""A container that is as one of the stack's in everything but what a test changes, and that nobody takes for it."""

from __future__ import annotations

import contextlib
import copy
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import uuid4

from docker import DockerClient
from docker.models.containers import Container
from docker.models.networks import Network

from fakes.waiting import wait_until
from stack.parts.containers import IMAGES, PROJECT_LABEL

Config = dict[str, Any]  # as the engine's API takes it: what `inspect` shows under Config, with HostConfig in it
Change = Callable[[Config], None]
WAITS = ["sleep", "infinity"]


@contextlib.contextmanager
def twin(engine: DockerClient, original: Container, *changes: Change) -> Iterator[Container]:
    """Run the twin, of another project, in place of its program a `sleep`; and take it away again.

    It is on the original's networks without the names that it has there, and publishes no port.
    """
    attributes = copy.deepcopy(original.attrs)
    networks = list(attributes["NetworkSettings"]["Networks"])
    config: Config = {
        **attributes["Config"],
        "Entrypoint": WAITS,
        "Cmd": [],
        "HostConfig": {**attributes["HostConfig"], "PortBindings": {}},
        "NetworkingConfig": {"EndpointsConfig": {networks[0]: {}}},
    }
    config["Labels"] = {**config["Labels"], PROJECT_LABEL: f"{config['Labels'][PROJECT_LABEL]}-twin"}
    for change in changes:
        change(config)
    name = f"twin-{uuid4().hex[:12]}"
    engine.api.create_container_from_config(config, name=name)  # type: ignore[no-untyped-call]
    container = engine.containers.get(name)
    try:
        if config["NetworkingConfig"]["EndpointsConfig"] == {networks[0]: {}}:  # a test has not put it on others
            for name in networks[1:]:
                engine.networks.get(name).connect(container)
        container.start()
        wait_until(lambda: _runs(container))
        yield container
    finally:
        container.remove(force=True)


@contextlib.contextmanager
def image_on_top(
    engine: DockerClient, dockerfile: str, files: Mapping[str, str] | None = None, *, name: str = f"{IMAGES}/weak"
) -> Iterator[str]:
    """Build an image and name it; the name is gone afterwards, and with it the image."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for path, text in {**(files or {}), "Dockerfile": dockerfile}.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    context.seek(0)
    tag = f"{name}:{uuid4().hex[:12]}"
    engine.images.build(fileobj=context, custom_context=True, tag=tag, rm=True, forcerm=True)
    try:
        yield tag
    finally:
        engine.images.remove(tag, force=True)


@contextlib.contextmanager
def network(engine: DockerClient, **settings: Any) -> Iterator[Network]:
    """A network of the test's own."""
    made = engine.networks.create(f"twin-{uuid4().hex[:12]}", **settings)
    try:
        yield made
    finally:
        made.remove()


def _runs(container: Container) -> bool:
    container.reload()
    assert container.status in ("created", "running"), container.logs().decode()
    return bool(container.status == "running")
