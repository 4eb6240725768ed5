"""What is in any layer of an image, files that a later layer hides included."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Collection
from typing import IO, cast

from docker import DockerClient

from stack.tools.chunks import Stream

CHUNK = 4_000_000


def found_in_layers(engine: DockerClient, image: str, needles: Collection[bytes]) -> set[bytes]:
    """Those of the needles that stand anywhere in what `docker save` gives: layers, configuration, history."""
    found: set[bytes] = set()
    saved = cast(IO[bytes], Stream(engine.images.get(image).save()))
    with tarfile.open(fileobj=saved, mode="r|") as archive:
        for member in archive:
            if content := archive.extractfile(member):
                found |= _found(_unpacked(content), needles)
    return found


def _unpacked(content: IO[bytes]) -> IO[bytes]:
    """A layer may be compressed, and a needle does not stand in it as it is then."""
    head = io.BufferedReader(cast(io.RawIOBase, content))
    return cast(IO[bytes], gzip.GzipFile(fileobj=head) if head.peek(2)[:2] == b"\x1f\x8b" else head)


def _found(content: IO[bytes], needles: Collection[bytes]) -> set[bytes]:
    overlap = max(map(len, needles)) - 1
    found: set[bytes] = set()
    rest = b""
    while chunk := content.read(CHUNK):
        window = rest + chunk
        found |= {needle for needle in needles if needle in window}
        rest = window[-overlap:] if overlap else b""
    return found
