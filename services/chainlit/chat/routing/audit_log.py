"""What was sent to the cloud, and what was not and why: one line of JSON each, without a word of what was said.

A line stands there before anything is sent; where it can't be written, nothing is.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from chat.problems import Problem

LARGEST = 2**20  # bytes; then it becomes the older half, in place of the one before
OLDER = ".1"
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)  # Windows has no such flag

Event = Literal["kept-here", "sending", "answered", "failed", "stopped"]


@dataclass(frozen=True)
class Entry:
    """One line.

    Attributes:
        event: `kept-here`: answered on this machine; the others: of a question for the cloud, in this order.
        chat: its id.
        user: None where nobody signs in.
        why: see `chat.routing.decision`; of `failed` the cause.
        host: of the cloud.
        messages: how many are sent, with the whole conversation.
        characters: how many they have.
    """

    event: Event
    chat: str
    user: str | None
    why: str
    host: str | None = None
    model: str | None = None
    messages: int | None = None
    characters: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None


class AuditLog:
    """The file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def note(self, entry: Entry) -> None:
        """Write a line.

        Raises:
            Problem: ``audit-log-unwritable``.
        """
        known = {key: value for key, value in asdict(entry).items() if value is not None}
        line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **known}) + "\n"
        try:
            self._make_room(len(line))
            descriptor = os.open(self._file, FLAGS, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as log:
                log.write(line)
        except OSError as error:
            raise Problem(
                "audit-log-unwritable",
                f"Nothing is sent to the cloud, because it can't be noted ({error.strerror}).",
                "See that the volume `chainlit-data` has room, then send your message again.",
            ) from error

    def _make_room(self, coming: int) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            size = self._file.stat().st_size
        except FileNotFoundError:
            return
        if size + coming > LARGEST:
            self._file.replace(self._file.with_name(self._file.name + OLDER))
