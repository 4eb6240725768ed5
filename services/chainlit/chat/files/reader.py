"""Has a file read by a process of its own, within limits of time and memory (`worker`)."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import suppress
from pathlib import Path

from chat.files import worker
from chat.files.outcome import Contents, Unreadable, heavy
from chat.home import HOME

SECONDS = 20.0
PASSED_ON = ("PATH", "SYSTEMROOT")  # no key, no password
AT_ONCE = 1  # it may take all of CHAINLIT_CPUS, and worker.MEMORY of CHAINLIT_MEMORY

_free = asyncio.Semaphore(AT_ONCE)


async def read(path: Path, name: str, limit: int, seconds: float = SECONDS) -> Contents:
    """The beginning of the text in a file, of at most so many characters. When cancelled, its process ends, too.

    Args:
        name: what the user calls it.

    Raises:
        Unreadable: in the user's words.
    """
    ending = re.sub(r"[^a-z0-9]", "", name.lower().rpartition(".")[2])
    async with _free:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-B", "-m", worker.__name__, str(path), ending, str(limit)),
            cwd=HOME,
            env={knob: os.environ[knob] for knob in PASSED_ON if knob in os.environ},
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=DEVNULL,
        )
        try:
            async with asyncio.timeout(seconds):
                said, _ = await process.communicate()
        except TimeoutError as late:
            raise heavy("too long") from late
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return _understood(said)


def _understood(said: bytes) -> Contents:
    try:
        answer = json.loads(said)
    except ValueError as nothing:  # ended by its limits, in the middle of something that does not notice
        raise heavy("too much time or memory") from nothing
    if "why" in answer:
        raise Unreadable(**answer)
    return Contents(**answer)
