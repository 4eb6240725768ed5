"""Bytes that come in pieces, read as a file."""

from __future__ import annotations

from collections.abc import Iterable


class Stream:
    """Chunks as a file that `tarfile` can read from its beginning to its end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._chunk = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """The next bytes; fewer only at the end."""
        parts, missing = [], size
        while missing > 0 and self._has_more():
            part = self._chunk[self._at : self._at + missing]
            self._at += len(part)
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _has_more(self) -> bool:
        while self._at == len(self._chunk):
            found = next(self._chunks, None)
            if found is None:
                return False
            self._chunk, self._at = found, 0
        return True
