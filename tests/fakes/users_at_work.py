"""A machine that has other things to do, and people who talk with the model all the while."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx

from fakes.chat_people import Person, first_user
from stack.parts import state
from stack.probes import chat
from stack.settings import Settings
from stack.tools.process import spawn_daemon

LONG = "Tell me a long story about a lighthouse, with every detail."
PIECES = 60  # of text; then the next question is asked


@contextmanager
def busy_processes(count: int, log: Path) -> Iterator[None]:
    """So many processes compute for nothing, as eagerly as any other."""
    burners = []
    try:
        for _ in range(count):
            pid = spawn_daemon([sys.executable, "-c", "while True: pass"], log)
            burners.append((pid, state.process_started(pid)))
        yield
    finally:
        for pid, started in burners:
            state.stop_process(pid, started, 5)


class Talks:
    """What people who talk with the model got so far."""

    def __init__(self) -> None:
        self.answers = 0


@asynccontextmanager
async def people_who_talk(settings: Settings, count: int) -> AsyncIterator[Talks]:
    """So many people ask one question after the other: every second one on the chat page, the others by a tool."""
    talks = Talks()
    who = first_user(settings)
    who.signed_in()
    doing: tuple[Callable[[Settings, Person], Coroutine[Any, Any, None]], ...] = (on_the_page, with_a_tool)

    async def talk(number: int) -> None:
        while True:
            await doing[number % 2](settings, who)
            talks.answers += 1

    people = [asyncio.create_task(talk(number)) for number in range(count)]
    try:
        yield talks
    finally:
        for each in people:
            each.cancel()
        ended = await asyncio.gather(*people, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


async def on_the_page(_: Settings, who: Person) -> None:
    """One question on the chat page, and a long answer."""
    async with who.on_the_page() as user:
        seen = await chat.converse(user, LONG, enough=PIECES)
    assert seen.text, seen


async def with_a_tool(settings: Settings, _: Person) -> None:
    """One question to the relay's port, and a long answer."""
    door = f"http://127.0.0.1:{settings.foundry_port}"
    async with httpx.AsyncClient(base_url=door, timeout=300, trust_env=False) as http:
        (model, *_) = (await http.get("/models/loaded")).json()
        question = {
            "model": model,
            "messages": [{"role": "user", "content": LONG}],
            "max_tokens": 2 * PIECES,
            "stream": True,
        }
        async with http.stream("POST", "/v1/chat/completions", json=question) as answer:
            assert answer.status_code == 200
            async for _ in answer.aiter_lines():
                pass
