"""A stand-in for Docker's engine that knows images, their names, and the containers that were made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from docker.errors import APIError, ImageNotFound

from stack.parts import containers
from stack.settings import Settings


@dataclass
class Image:
    """One of its images."""

    engine: EngineOfImages
    id: str

    @property
    def tags(self) -> list[str]:
        return [name for name, image in self.engine.names.items() if image == self.id]

    def tag(self, repository: str, tag: str) -> bool:
        self.engine.do(f"{repository}:{tag}")
        self.engine.names[f"{repository}:{tag}"] = self.id
        return True


@dataclass
class Container:
    """One of its containers."""

    attrs: dict[str, Any]
    status: str = "running"


@dataclass
class EngineOfImages:
    """As far as the scripts look at images; it can be made to break down.

    Args:
        settings: of the project that its containers belong to.
        names: the image's id by each name.
        made_of: the image's id by each service that has a container.
        gone: ids of images that somebody removed by force while a container was made of them.
        breaks_after: so many names are given, then the engine is gone; None: never.
    """

    settings: Settings
    names: dict[str, str] = field(default_factory=dict)
    made_of: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    breaks_after: int | None = None

    @property
    def images(self) -> EngineOfImages:
        return self

    @property
    def containers(self) -> EngineOfContainers:
        return EngineOfContainers(self)

    def do(self, name: str) -> None:
        if self.breaks_after == 0:
            raise APIError(f"the engine is gone, before {name}")  # type: ignore[no-untyped-call]
        if self.breaks_after is not None:
            self.breaks_after -= 1

    def get(self, name: str) -> Image:
        image = self.names.get(name, name)
        if image not in {*self.names.values(), *self.made_of.values()} - self.gone:
            raise ImageNotFound(name)  # type: ignore[no-untyped-call]
        return Image(self, image)

    def list(self, name: str | None = None, filters: dict[str, str] | None = None) -> list[Image]:
        if name is not None:
            return [Image(self, self.names[name])] if name in self.names else []
        tag = (filters or {})["reference"].rpartition(":")[2]
        found = {image for each, image in self.names.items() if each.endswith(f":{tag}")}
        return [Image(self, image) for image in sorted(found)]

    def load(self, data: Iterable[bytes]) -> None:
        """As `docker load`: each image takes its name in the archive, whoever had it before."""
        for name, image in json.loads(b"".join(data)).items():
            self.do(name)
            self.names[name] = image

    def remove(self, name: str, force: bool = False) -> None:
        if (
            not force
            and self.names[name] in self.made_of.values()
            and list(self.names.values()).count(self.names[name]) == 1
        ):
            raise APIError("conflict: a container is using it")  # type: ignore[no-untyped-call]
        del self.names[name]

    def start(self) -> None:
        """As `docker compose up`: a container of each service, made of the image that has its name now."""
        self.made_of = {each: self.names[containers.image_of(self.settings, each)] for each in containers.BUILT}


@dataclass
class EngineOfContainers:
    """Its containers."""

    engine: EngineOfImages

    def list(
        self,
        all: bool = False,  # noqa: A002
        filters: dict[str, list[str]] | None = None,
        ignore_removed: bool = False,
    ) -> list[Container]:
        labels = [each.partition("=") for each in (filters or {})["label"]]
        (service,) = [value for name, _, value in labels if name == containers.SERVICE_LABEL]
        image = self.engine.made_of.get(service)
        return [Container({"Image": image})] if image else []
