"""Slow or silent because others are served is `busy`; for no such reason it is slow by itself, or hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from fakes.model_server import ModelServer
from faults.links import Links
from faults.named import ANSWERS, Probed
from stack.probes import chat, crowd, first_answer, open_webui, upstream
from stack.settings import Settings

CHAT = "/v1/chat/completions"


@asynccontextmanager
async def users(settings: Settings, count: int) -> AsyncIterator[None]:
    """So many ask through the relay for an answer that takes as long as they are there."""
    async with AsyncExitStack() as all_of_them:
        for _ in range(count):
            await all_of_them.enter_async_context(user(settings))
        yield


@asynccontextmanager
async def user(settings: Settings) -> AsyncIterator[None]:
    door = f"http://127.0.0.1:{settings.foundry_port}"
    begun = asyncio.Event()

    async def read() -> None:
        async with httpx.AsyncClient(base_url=door, timeout=600, trust_env=False) as http:
            while True:
                (model,) = (await http.get("/models/loaded")).json()
                said = [{"role": "user", "content": "Count to a thousand."}]
                question = {"model": model, "messages": said, "max_tokens": 2000, "stream": True}
                async with http.stream("POST", CHAT, json=question) as answer:
                    async for _ in answer.aiter_bytes():
                        begun.set()

    reading = asyncio.create_task(read())
    try:
        await asyncio.wait({reading, asyncio.create_task(begun.wait())}, return_when=asyncio.FIRST_COMPLETED)
        assert not reading.done(), reading
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


@pytest.fixture
async def server(links: Links, probed: Probed) -> AsyncIterator[ModelServer]:
    """In the place of Foundry Local, so that what is slow is known; it gives each token its time."""
    async with ModelServer() as server:
        server.seconds_a_chunk = 0.05
        with links.foundry_is(server.url):
            yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes takes seconds; what is told apart stays the same."""
    monkeypatch.setattr(crowd, "SLOW_SECONDS", 1.5)
    monkeypatch.setattr(crowd, "QUICK_SECONDS", 0.3)
    monkeypatch.setattr(crowd, "LOOK_AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(upstream, "TOKEN_SECONDS", 4.0)
    monkeypatch.setattr(chat, "ANSWER_SECONDS", 4.0)
    monkeypatch.setattr(open_webui, "ANSWER_SECONDS", 4.0)
    monkeypatch.setattr(first_answer, "PATIENCE_SECONDS", 1.0)


@pytest.mark.parametrize(
    ("others", "cause"), [pytest.param(0, "slow-first-token", marks=pytest.mark.full), (2, "busy")]
)
async def test_a_slow_first_token(  # noqa: PLR0917  (pytest passes them by name)
    probed: Probed, server: ModelServer, impatient: None, settings: Settings, others: int, cause: str
) -> None:
    server.endless = bool(others)
    async with users(settings, others):
        server.endless, server.seconds_to_first_token = False, 2.5
        await probed.slows(cause, ANSWERS)


@pytest.mark.full
@pytest.mark.parametrize(("others", "cause"), [(0, "slow-first-token"), (2, "busy")])
async def test_a_first_token_after_more_than_ten_seconds(
    probed: Probed, server: ModelServer, settings: Settings, others: int, cause: str
) -> None:
    server.endless = bool(others)
    async with users(settings, others):
        server.endless, server.seconds_to_first_token = False, 12.0
        await probed.slows(cause, ANSWERS)


@pytest.mark.full
async def test_no_answer_comes_while_others_get_theirs(
    probed: Probed, server: ModelServer, impatient: None, settings: Settings
) -> None:
    server.endless = True
    async with users(settings, 2):
        server.silent_on = {CHAT}
        await probed.slows("busy", ANSWERS)
    server.silent_on = set()
    server.endless = False


@pytest.mark.full
async def test_no_answer_comes_and_nobody_gets_any(
    probed: Probed, server: ModelServer, impatient: None, settings: Settings
) -> None:
    """Others wait as well: that somebody waits does not make it busy."""
    server.endless = True
    async with users(settings, 2):
        server.gated, server.silent_on = True, {CHAT}
        await probed.fails("model.answers", "foundry-hangs")


@pytest.mark.full
async def test_no_status_comes_while_others_get_their_answers(
    probed: Probed, server: ModelServer, settings: Settings
) -> None:
    server.endless = True
    async with users(settings, 2):
        server.endless, server.silent_on = False, {"/status"}
        await probed.slows("busy", {"foundry.status", "foundry.from-gateway"})


@pytest.mark.full
async def test_users_whom_foundry_local_itself_answers(
    probed: Probed, settings: Settings, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "SLOW_SECONDS", 0.5)
    monkeypatch.setattr(crowd, "QUICK_SECONDS", 0.1)
    monkeypatch.setattr(upstream, "TOKEN_SECONDS", 60.0)
    monkeypatch.setattr(chat, "ANSWER_SECONDS", 90.0)
    monkeypatch.setattr(open_webui, "ANSWER_SECONDS", 90.0)
    async with users(settings, 6):
        await probed.slows("busy", set())
