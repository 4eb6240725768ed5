"""Remembers that the images came in a bundle, so that `up` need not build them, which it can't without a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from docker import DockerClient

from stack.parts.bundle import images
from stack.parts.bundle.clone import RUNS, first_difference
from stack.parts.containers import BUILT
from stack.parts.state import read_json, write_json
from stack.settings import Settings
from stack.tools.bundle_file import CLONE, IMAGES, BundleFile

FILE = "bundle.json"


def note(settings: Settings, engine: DockerClient, bundle: BundleFile) -> None:
    """Note which images are here now, and the sources that they were built from."""
    sources = {name: digest for name, digest in clone_sums(bundle).items() if name.startswith(RUNS)}
    noted = {"archive": bundle.sums[IMAGES], "images": images.ids(settings, engine), "sources": sources}
    write_json(settings.state / FILE, noted)


def holds_images_of(settings: Settings, engine: DockerClient, bundle: BundleFile) -> bool:
    """Whether this very bundle's images are here under their names, nothing else."""
    noted = read_json(settings.state / FILE) or {}
    return noted.get("archive") == bundle.sums[IMAGES] and noted.get("images") == images.ids(settings, engine)


def images_came_in_a_bundle(settings: Settings, engine: DockerClient, say: Callable[[str], None]) -> bool:
    """Whether the images that are here came in a bundle, and are what building them from this clone would give.

    Args:
        say: is told what has changed since, if that is why.
    """
    noted = read_json(settings.state / FILE)
    if noted is None or noted["images"] != images.ids(settings, engine):
        return False
    if changed := first_difference(noted["sources"]):
        say(f"{changed} is another than in the bundle that the images came in: they are built here.")
        return False
    return True


def can_do_without_building(settings: Settings, engine: DockerClient) -> bool:
    """Whether all images are here, on a machine that had a bundle's once, whatever the sources are now."""
    return read_json(settings.state / FILE) is not None and images.ids(settings, engine).keys() == set(BUILT)


def clone_sums(bundle: BundleFile) -> Mapping[str, str]:
    """SHA-256 of the clone's files as the bundle has them, by their names in the clone."""
    return {name.removeprefix(f"{CLONE}/"): bundle.sums[name] for name in bundle.names(CLONE)}
