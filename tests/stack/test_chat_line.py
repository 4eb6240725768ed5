"""While others are served: a place in the chat's line, a limit, and a way out of it; with a real model."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from fakes.chat_people import Person, the_probe
from fakes.open_chat import OpenChat
from stack.settings import ROOT, Settings
from stack.tools.process import run

LONG = "Write a long story about a sailor and the sea."
SOON = 20.0

Somebody = Callable[[], Awaitable[OpenChat]]


@pytest.fixture
def address(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.chainlit_port}"


@pytest.fixture
async def somebody(user: Person) -> AsyncIterator[Somebody]:
    """Opens the page."""
    async with AsyncExitStack() as pages:

        async def opens() -> OpenChat:
            return await pages.enter_async_context(user.opens_the_page())

        yield opens


async def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(SOON):
        while not true():
            await asyncio.sleep(0.02)


async def all_served(somebody: Somebody, settings: Settings) -> list[OpenChat]:
    """So many as are answered at once, each in the midst of a long answer."""
    served = [await somebody() for _ in range(settings.answers_at_once)]
    for each in served:
        await each.begin(LONG)
    for each in served:
        await until(lambda each=each: each.answer.text != "")  # type: ignore[misc]
    return served


async def waits(somebody: Somebody) -> OpenChat:
    """Somebody who stands in the line."""
    waiting = await somebody()
    await waiting.begin("What is the capital of France?")
    await until(lambda: waiting.answer.asides != [])
    assert waiting.answer.text == ""
    return waiting


def before(waiting: OpenChat) -> object:
    return waiting.answer.asides[-1]["metadata"]["before"]


async def in_line(address: str) -> float:
    async with httpx.AsyncClient(trust_env=False) as http:
        counted = (await http.get(f"{address}/metrics")).text
    return float(counted.partition("\nfoundry_chat_in_line ")[2].partition("\n")[0])


async def test_the_place_is_told_and_moves_up_until_the_answer_comes(somebody: Somebody, settings: Settings) -> None:
    served = await all_served(somebody, settings)
    first, second = await waits(somebody), await waits(somebody)
    assert (before(first), before(second)) == (0, 1)
    assert "1 before you" in second.answer.asides[-1]["output"]
    await served[0].stop()
    await until(lambda: first.answer.text != "")
    await until(lambda: before(second) == 0)
    for each in served[1:]:
        await each.stop()
    for each in (first, second):
        answer = await each.end(SOON * 3)
        assert "Paris" in answer.text
        assert answer.order[0] == "place_message"
        assert answer.order[-3:] == ["place_message taken away", "answer", "figures_message"]


async def test_stop_leaves_the_line_at_once(somebody: Somebody, settings: Settings, address: str) -> None:
    served = await all_served(somebody, settings)
    leaves, behind = await waits(somebody), await waits(somebody)
    await leaves.stop()
    answer = await leaves.end(SOON)
    assert (answer.text, answer.errors, answer.order[-1]) == ("", [], "place_message taken away")
    await until(lambda: before(behind) == 0)
    assert await in_line(address) == 1
    await behind.stop()
    for each in served:
        await each.stop()
    assert "Paris" in (await leaves.ask("What is the capital of France?")).text


async def test_who_goes_to_another_chat_leaves_the_line(
    somebody: Somebody, user: Person, settings: Settings, address: str
) -> None:
    served = await all_served(somebody, settings)
    async with AsyncExitStack() as page:

        async def opens() -> OpenChat:
            return await page.enter_async_context(user.opens_the_page())

        await waits(opens)
        assert await in_line(address) == 1
    async with asyncio.timeout(SOON):
        while await in_line(address):
            await asyncio.sleep(0.05)
    for each in served:
        await each.stop()


@pytest.mark.full
async def test_a_full_line_says_so_and_refuses_no_check(somebody: Somebody, settings: Settings) -> None:
    probe = await asyncio.to_thread(the_probe, settings)
    served = await all_served(somebody, settings)
    waiting = [await waits(somebody) for _ in range(settings.line_length)]
    refused = await (await somebody()).ask("And me?", name="probe")  # whoever asks can say that
    assert refused.text == ""
    assert refused.errors[0].endswith("*(busy)*")
    async with probe.opens_the_page() as page:

        async def opens() -> OpenChat:
            return page

        assert before(await waits(opens)) >= settings.line_length  # type: ignore[operator]
        for each in [*waiting, page, *served]:
            await each.stop()


@pytest.mark.full
async def test_the_probe_finds_a_chat_busy_that_has_a_line_and_never_broken(
    somebody: Somebody, settings: Settings
) -> None:
    served = await all_served(somebody, settings)
    waiting = [await waits(somebody) for _ in range(2)]
    argv = [sys.executable, "scripts/probe.py", "--json", "--only", "answer"]
    done = await asyncio.to_thread(run, argv, cwd=ROOT, env=settings.as_environment, timeout=280)
    checks = {each["id"]: each for each in json.loads(done.out)["checks"]}
    found = checks["answer.chainlit"]
    assert found["status"] in ("ok", "degraded"), found
    assert found["cause"] in (None, "busy", "slow-first-token"), found
    for each in [*waiting, *served]:
        await each.stop()
