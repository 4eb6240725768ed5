"""The secrets that the `init` service makes, each in a volume of the service that it is for."""

from __future__ import annotations

import io
import tarfile

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


def path(service: str, name: str) -> str:
    """Where the secret is inside of that container."""
    return f"/secrets/{service}/{name}"
