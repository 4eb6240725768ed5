"""On disk: which responses a model server holds for this app, so that those of an app that crashed can be deleted."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """One stored response; nothing of what is in it."""

    root: str
    id: str


class Journal:
    """A small file that nobody else reads. It is written before a response comes to its end, so none is forgotten."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._records = dict.fromkeys(self._read())

    @property
    def records(self) -> list[Record]:
        """The oldest first."""
        return list(self._records)

    def add(self, record: Record) -> None:
        """Note it.

        Raises:
            OSError: it can't be written, so nothing should be stored.
        """
        self._records[record] = None
        self._write()

    def remove(self, record: Record) -> None:
        """It is deleted."""
        if self._records.pop(record, record) is None:
            with suppress(OSError):  # one that is noted for nothing does no harm
                self._write()

    def _read(self) -> list[Record]:
        try:
            noted = json.loads(self._file.read_text(encoding="utf-8"))
            return [Record(str(root), str(response)) for root, response in noted]
        except (OSError, ValueError, TypeError):
            return []

    def _write(self) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as text:
            json.dump([[record.root, record.id] for record in self._records], text)
        new.replace(self._file)
