"""The stack's images: out of the engine into one compressed file, and from there into another engine."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from docker import DockerClient
from docker.errors import DockerException, ImageNotFound

from stack.parts import containers
from stack.settings import Settings
from stack.tools.bundle_file import CHUNK, IMAGES, BundleFile
from stack.tools.docker_engine import client
from stack.tools.errors import StackError
from stack.tools.process import run
from stack.tools.progress import Progress

IN_BUNDLE = "in-bundle"  # what is added to IMAGE_TAG
LEVEL = 4  # of gzip's nine: a tenth larger than with the default, in half of the time
LOADING_SECONDS = 900  # that the engine may be silent, which it is while it unpacks


def named_for_a_bundle(settings: Settings) -> Settings:
    """The same stack, with the images' names in a bundle: no stack runs from these, neither here nor where it is read.

    The engine gives the names in the file to what it loads, whomever they belonged to.
    """
    return settings.model_copy(update={"image_tag": f"{settings.image_tag}-{IN_BUNDLE}"})


def save(settings: Settings, into: Path, progress: Progress) -> dict[str, str]:
    """Write the images of all services, layers that they share only once.

    Args:
        settings: `named_for_a_bundle`.

    Returns:
        Their names, by service.

    Raises:
        StackError: ``images-not-saved``.
    """
    names = {service: containers.image_of(settings, service) for service in containers.BUILT}
    plain = into.with_suffix("")
    progress("taking the images out of Docker")
    done = run(["docker", "save", "--output", str(plain), *names.values()])
    if done.code != 0:
        raise StackError(
            f"Docker did not give its images: {done.err.strip()}",
            fix="Correct what it says (a full disk: set STATE_DIR in .env to another one), then run this again.",
            cause="images-not-saved",
        )
    size = plain.stat().st_size
    with plain.open("rb") as source, gzip.open(into, "wb", compresslevel=LEVEL) as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)
            progress("compressing the images", source.tell() / size)
    plain.unlink()
    return names


def load(settings: Settings, bundle: BundleFile, progress: Progress) -> None:
    """Bring the bundle's images into the engine, under the names that this stack uses.

    Raises:
        StackError: ``images-not-loaded`` or ``bundle-damaged``.
    """
    engine = client(timeout=LOADING_SECONDS)
    names: dict[str, str] = bundle.manifest["images"]
    try:
        engine.images.load(cast(Any, _told(bundle, progress)))  # the SDK streams whatever can be iterated
        for service, name in names.items():
            engine.images.get(name).tag(f"{containers.IMAGES}/{service}", settings.image_tag)
            engine.images.remove(name)
    except (DockerException, OSError) as refused:  # OSError: of the library below the SDK, a timeout, say
        raise StackError(
            f"Docker does not take the bundle's images: {getattr(refused, 'explanation', None) or refused}",
            fix="Correct what it says (`docker system df` shows the room), then run this again.",
            cause="images-not-loaded",
        ) from refused


def ids(settings: Settings, engine: DockerClient) -> Mapping[str, str]:
    """The images that the services would run from now, by service; those that are not here are left out."""
    names = {service: containers.image_of(settings, service) for service in containers.BUILT}
    return {service: str(engine.images.get(name).id) for service, name in names.items() if _is_here(engine, name)}


def _told(bundle: BundleFile, progress: Progress) -> Iterator[bytes]:
    total, done = bundle.size(IMAGES), 0
    for chunk in bundle.chunks(IMAGES):
        yield chunk
        done += len(chunk)
        progress("bringing the images into Docker", done / total)


def _is_here(engine: DockerClient, name: str) -> bool:
    try:
        engine.images.get(name)
    except ImageNotFound:
        return False
    return True
