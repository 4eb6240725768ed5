"""The secrets that the `init` service makes, each in a volume of the service that it is for: read, and replaced."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from docker.models.containers import Container


def read(init: Container, service: str, name: str) -> str:
    """One secret, read through the (ended) container that made it.

    Args:
        init: from `stack.parts.containers.run_once`.
    """
    chunks, _ = init.get_archive(path(service, name))
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        assert member is not None  # noqa: S101  (the path names a regular file)
        return member.read().decode().strip()


def replace(init: Container, service: str, name: str, value: str) -> None:
    """Put another value in a secret's place, for the same user and nobody else.

    Args:
        init: from `stack.parts.containers.run_once`.
    """
    chunks, _ = init.get_archive(path(service, name))
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.getmembers()[0]
    content = value.encode()
    member.size = len(content)
    changed = io.BytesIO()
    with tarfile.open(fileobj=changed, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content))
    init.put_archive(str(Path(path(service, name)).parent), changed.getvalue())


def made_at(init: Container, service: str) -> int:
    """When the newest of a service's secrets was made: seconds since 1970, rounded down.

    Args:
        init: from `stack.parts.containers.run_once`.
    """
    chunks, _ = init.get_archive(f"/secrets/{service}")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        return int(max((member.mtime for member in archive if member.isfile()), default=0))


def path(service: str, name: str) -> str:
    """Where the secret is inside of that container."""
    return f"/secrets/{service}/{name}"
