"""Kills the Docker daemon of this machine while chats stream, and starts it again as an init system does.

Only for a machine of a test's own; it runs there, in the clone whose scripts it finds, and prints as JSON what came of
the chats: ``python -m fakes.killed_engine``.
"""

from __future__ import annotations

import asyncio
import json

import psutil

from fakes.chat_people import the_probe
from stack.parts import engine_start
from stack.settings import load
from stack.tools.progress import silent

LONG = "Tell me a long story about a lighthouse, with every detail."


async def kill_while_a_chat_streams() -> str:
    """The text that had come by then."""
    pid = engine_start._read_pid(engine_start.PID_FILE)
    assert pid
    daemon = psutil.Process(pid)
    assert daemon.name() == "dockerd"
    async with the_probe(load()).opens_the_page() as page:  # whose chats are nobody's to be found again
        await page.begin(LONG)
        await page.first_text()
        daemon.kill()
        daemon.wait(timeout=20)
        return page.answer.text


if __name__ == "__main__":
    text = asyncio.run(kill_while_a_chat_streams())
    engine_start.start(silent)
    print(json.dumps(text))
