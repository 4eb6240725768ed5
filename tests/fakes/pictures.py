"""PNG files made from scratch: as large or as broken as a test wants them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A picture in grey, 0 black to 255 white."""
    height, width = pixels.shape
    return _file(width, height, 8, (b"\0" + row.tobytes() for row in pixels))


def blank_png(width: int, height: int) -> bytes:
    """A white picture of one bit per pixel, so even a huge one is a small file."""
    row = b"\0" + b"\xff" * ((width + 7) // 8)
    return _file(width, height, 1, (row for _ in range(height)))


def _file(width: int, height: int, depth: int, rows: Iterable[bytes]) -> bytes:
    compressor = zlib.compressobj(6)
    data = b"".join([*(compressor.compress(row) for row in rows), compressor.flush()])
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
