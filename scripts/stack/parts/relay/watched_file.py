"""A small file whose content is read anew when it changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Content = TypeVar("Content")


class WatchedFile(Generic[Content]):
    """The parsed content of a file that others replace.

    Args:
        parse: turns the text into the content, or into None where there is nothing to be had in it.
    """

    def __init__(self, path: Path, parse: Callable[[str], Content | None]) -> None:
        self._path = path
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._content: Content | None = None

    def read(self) -> Content | None:
        """The present content; None while the file is missing, unreadable or of no use."""
        try:
            now = self._path.stat()
            seen = (now.st_ino, now.st_mtime_ns, now.st_size)
            if seen != self._seen:
                self._content = self._parse(self._path.read_text(encoding="utf-8"))
                self._seen = seen
        except (OSError, ValueError):
            self._seen, self._content = None, None
        return self._content
