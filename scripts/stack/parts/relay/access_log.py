"""One line of JSON for each request: who asked for what and how it ended; never a prompt, a token or a header."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

FILE_BYTES = 5_000_000
OLD_FILES = 2
CLIENT_LEFT = 499  # as nginx logs it; nobody is there to receive it

# A path may hold what a user wrote; these are the words of Foundry Local's API, and what is none of them is a star.
WORDS = frozenset(
    re.findall(
        r"\w+",
        "v1 models loaded load unload status responses input_items chat completions embeddings audio transcriptions "
        "images shutdown openai cloud",
    )
)
SEGMENTS = 8
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})

_log = logging.getLogger("stack.relay.access")


def write_to(file: Path | None) -> None:
    """Send the access log, and warnings of the libraries, to the file (kept below about 15 MB in all) or to stdout."""
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stdout)
    else:
        handler = RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.raiseExceptions = False  # a full disk must not end the relay
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _log.setLevel(logging.INFO)


@dataclass
class Entry:
    """What is known of one request, filled in on its way.

    Args:
        target: the request target; of which no more is logged than `harmless` leaves.
        status: as sent; 499 when the client went away before the end, which is so until something else is known.
        sent: bytes of the answer's body that were passed on.
        cause: why it did not end well, as a kebab-case code; None when it did.
    """

    request_id: str
    client: str
    method: str
    target: str
    status: int = CLIENT_LEFT
    sent: int = 0
    cause: str | None = None
    begun: float = field(default_factory=time.monotonic)

    def write(self) -> None:
        """Log the request as ended."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "id": self.request_id,
            "client": self.client,
            "method": self.method if self.method in METHODS else "other",
            "path": harmless(self.target),
            "status": self.status,
            "seconds": round(time.monotonic() - self.begun, 4),
            "bytes": self.sent,
            "cause": self.cause,
        }
        _log.info(json.dumps(line))


def harmless(target: str) -> str:
    """The path of a request target, with a star for every part that is not a word of the API."""
    parts = target.partition("?")[0].split("/")[: SEGMENTS + 1]
    return "/".join(part if part in WORDS or not part else "*" for part in parts)
