"""Kills the Docker daemon of this machine while chats stream, and starts it again as an init system does.

Only for a machine of a test's own; it runs there, in the clone whose scripts it finds, and prints as JSON what came of
the chats: ``python -m fakes.killed_engine``.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import psutil
from socketio.exceptions import SocketIOError

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
    text = ""
    with suppress(SocketIOError):  # who listened at the page's port went with the daemon: there is no good-bye
        async with the_probe(load()).opens_the_page() as page:  # whose chats are nobody's to be found again
            await page.begin(LONG)
            await page.first_text()
            daemon.kill()
            daemon.wait(timeout=20)
            text = page.answer.text
    assert text
    return text


if __name__ == "__main__":
    seen = asyncio.run(kill_while_a_chat_streams())
    engine_start.start(silent)
    print(json.dumps(seen))
