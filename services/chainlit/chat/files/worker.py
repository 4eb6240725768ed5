"""Reads one file and prints its text as JSON: ``python -m chat.files.worker PATH ENDING LIMIT``.

A process of its own, so that a file which takes for ever, or all the memory, takes nothing of the chat with it.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

MEMORY = 256 * 1024 * 1024  # enough for 10 MB of any kind of text
PROCESSOR_SECONDS = 10
NICE = 10  # the chat itself comes first


def main() -> None:
    path, ending, limit = sys.argv[1:]
    _limit()
    from chat.files.contents import read  # noqa: PLC0415  (what it needs counts, too)
    from chat.files.outcome import Unreadable, heavy  # noqa: PLC0415

    answer: dict[str, object]
    try:
        answer = asdict(read(Path(path).read_bytes(), ending, int(limit)))
    except Unreadable as problem:
        answer = vars(problem)
    except MemoryError:
        answer = vars(heavy("too much memory"))
    sys.stdout.write(json.dumps(answer))


def _limit() -> None:
    """So that it ends even if the chat that waits for it is no more, and before the chat where memory is short.

    Not every system knows such limits.
    """
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    with suppress(AttributeError):
        os.nice(NICE)
    with suppress(ImportError):
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
