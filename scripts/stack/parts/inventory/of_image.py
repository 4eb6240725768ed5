"""Reads an image without running anything of it: from the files of a container that is made and never started."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable
from typing import IO, cast

from docker import DockerClient
from docker.errors import ImageNotFound

from stack.parts.inventory.packages import Inventory, found_in, is_record
from stack.tools.chunks import Stream
from stack.tools.errors import StackError


def of_image(client: DockerClient, image: str) -> Inventory:
    """What the image's own records say that it is made of.

    Raises:
        StackError: ``image-missing``; exit code 2.
        ValueError: a record in it is damaged.
    """
    return found_in(read_files(client, image, is_record))


def read_files(client: DockerClient, image: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The content of the image's regular files that are wanted, by path without a leading slash.

    Raises:
        StackError: ``image-missing``; exit code 2.
    """
    try:
        container = client.containers.create(image, command=["never-started"], network_mode="none", labels=_no_labels())
    except ImageNotFound as missing:
        raise StackError(
            f"There is no image {image} yet.",
            fix="python3 scripts/up.py   builds it; then run this again.",
            cause="image-missing",
            exit_code=2,
        ) from missing
    try:
        return from_tar(cast(Iterable[bytes], container.export()), wanted)
    finally:
        container.remove(force=True, v=True)


def from_tar(chunks: Iterable[bytes], wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The same, from a tar archive that comes in pieces."""
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=cast(IO[bytes], Stream(chunks)), mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./").lstrip("/")
            if member.isfile() and wanted(path) and (content := archive.extractfile(member)):
                files[path] = content.read()
    return files


def _no_labels() -> dict[str, str]:
    """An image carries the labels of the project that built it; this container must not pass for that project's."""
    return {"com.docker.compose.project": "", "com.docker.compose.service": ""}
