"""Whether a container that runs is the one that would be made now, and is published no further than it should be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from docker import DockerClient
from docker.errors import DockerException, ImageNotFound
from docker.models.containers import Container

from stack.parts.containers import IMAGES
from stack.probes.report import Outcome, degraded, ok


def not_too_open(attributes: Mapping[str, Any], **names: str) -> Outcome:
    """Each port that the engine publishes for the container is this machine's alone."""
    if open_ports := sorted(set(_open_ports(attributes))):
        evidence = f"published on {', '.join(open_ports)}, so for everyone on the network"
        return degraded("port-on-all-interfaces", evidence, **names)
    return ok("published on loopback, or not at all")


def image_is_current(engine: DockerClient, container: Container, tag: str, names: Mapping[str, str]) -> Outcome:
    """The container runs the image that its name stands for now.

    Args:
        tag: that of this project's images.
    """
    ours, name = container.attrs["Image"], str(container.attrs["Config"]["Image"])
    repository, _, runs = name.rpartition(":")
    if repository.startswith(f"{IMAGES}/") and runs != tag:
        return degraded("image-stale", f"it runs {name}; the tag is now {tag}", **names)
    try:
        now = str(engine.images.get(name).id)
    except ImageNotFound:  # an image's name may be removed while a container runs it
        return ok(f"{name} is not there any more")
    except DockerException as silent:
        return ok(f"{name}: {silent}")
    if now != ours:
        evidence = f"{name} is now {_short(now)}, and the container still runs {_short(ours)}"
        return degraded("image-stale", evidence, **names)
    return ok(f"{name}, as it is now")


def _open_ports(attributes: Mapping[str, Any]) -> Iterator[str]:
    ports: Mapping[str, Any] = attributes["NetworkSettings"].get("Ports") or {}
    for bindings in ports.values():
        for binding in bindings or ():
            address = binding.get("HostIp") or "0.0.0.0"  # noqa: S104  (read, not listened on)
            if not ip_address(address).is_loopback:
                yield f"{f'[{address}]' if ':' in address else address}:{binding['HostPort']}"


def _short(image: str) -> str:
    return image.removeprefix("sha256:")[:12]
