"""What is asked again, what never is, and that Stop ends the waiting, too."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from chat.answer import Answer
from chat.problems import Problem
from chat.retries import PATIENCE_SECONDS
from chat.server import find
from chat.settings import Settings
from fakes.foundry import MODEL, Habit
from fakes.model_server import ModelServer

BUSY = {"error": {"message": "later", "type": "stack_error", "code": "foundry-not-running"}}


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as running:
        yield running


async def answer(server: ModelServer) -> Answer:
    settings = Settings(base_url=server.url)
    return Answer(await find(settings), MODEL, [{"role": "user", "content": "hi"}], settings)


async def read(server: ModelServer) -> str:
    return "".join([piece async for piece in (await answer(server)).pieces()])


def busy(retry_after: str) -> str:
    return f"503 Service Unavailable\r\nRetry-After: {retry_after}"


async def test_a_connection_that_ends_before_the_first_word_is_tried_again(server: ModelServer) -> None:
    server.chat_refuses_first = [None, None]
    assert await read(server) == "The capital is Paris."
    assert len(server.completions) == 3


async def test_a_stream_that_ends_before_the_first_word_is_tried_again(server: ModelServer) -> None:
    server.habit, server.cut_after = "cut", 1  # the role only
    with pytest.raises(Problem) as problem:
        await read(server)
    assert problem.value.cause == "stream-cut"
    assert len(server.completions) == 4


async def test_who_says_when_to_come_again_is_asked_then(server: ModelServer) -> None:
    server.chat_refuses_first = [(busy("1"), BUSY)]
    begun = time.monotonic()
    assert await read(server) == "The capital is Paris."
    assert time.monotonic() - begun >= 1
    assert len(server.completions) == 2


@pytest.mark.parametrize(
    "refusal",
    [
        busy(str(int(PATIENCE_SECONDS) + 1)),
        busy("Fri, 31 Dec 1999 23:59:59 GMT"),
        "503 Service Unavailable",
        "500 Internal Server Error",
        "429 Too Many Requests\r\nRetry-After: 1",
        "401 Unauthorized",
        "400 Bad Request\r\nRetry-After: 1",
    ],
)
async def test_what_is_said_at_once(server: ModelServer, refusal: str) -> None:
    server.chat_refuses = (refusal, {"error": {"message": "no"}})
    with pytest.raises(Problem):
        await read(server)
    assert len(server.completions) == 1


@pytest.mark.parametrize("how", ["cut", "reset"])
async def test_never_after_a_word_was_shown(server: ModelServer, how: Habit) -> None:
    server.habit = how
    with pytest.raises(Problem):
        await read(server)
    assert len(server.completions) == 1


async def test_stop_ends_the_waiting(server: ModelServer) -> None:
    server.chat_refuses = (busy("5"), BUSY)
    asking = asyncio.create_task(read(server))
    async with asyncio.timeout(2):
        await server.request(0)
        await asyncio.sleep(0)  # so that it waits now
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert len(server.completions) == 1


async def test_what_it_took_is_known_after_any_end(server: ModelServer) -> None:
    server.habit = "cut"
    cut = await answer(server)
    with pytest.raises(Problem):
        _ = [piece async for piece in cut.pieces()]
    assert cut.usage
    assert (cut.usage.prompt_tokens, cut.usage.completion_tokens) == (None, 1)
    server.habit, server.reports_usage = "answers", False
    uncounted = await answer(server)
    _ = [piece async for piece in uncounted.pieces()]
    assert uncounted.usage
    assert (uncounted.usage.prompt_tokens, uncounted.usage.completion_tokens) == (None, 5)
    server.reports_usage = True
    counted = await answer(server)
    _ = [piece async for piece in counted.pieces()]
    assert counted.usage
    assert (counted.usage.prompt_tokens, counted.usage.completion_tokens) == (2, 5)
