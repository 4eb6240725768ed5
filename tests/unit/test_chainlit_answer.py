"""An answer as it comes, and every way in which it can go wrong, against a server that does it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from chat.answer import Answer
from chat.problems import STACK_ERRORS, Problem
from chat.server import find
from chat.settings import Settings, load
from fakes.foundry import Habit
from fakes.model_server import ModelServer
from fakes.odd_server import Event, OddServer, part
from fakes.odd_server import answer as answer_of

MODEL = "smollm2-135m-instruct-generic-cpu:1"


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as running:
        yield running


async def answer_from(root: str, **knobs: object) -> Answer:
    settings = Settings(base_url=root, **knobs)  # type: ignore[arg-type]
    return Answer(
        await find(settings), MODEL, [{"role": "user", "content": "What is the capital of France?"}], settings
    )


async def read(answer: Answer) -> tuple[str, Problem | None]:
    text = ""
    try:
        async for piece in answer.pieces():
            text += piece
    except Problem as problem:
        return text, problem
    return text, None


async def test_streams_and_asks_as_set(server: ModelServer) -> None:
    answer = await answer_from(server.url, max_tokens=77, top_p=0.9)
    assert await read(answer) == ("The capital is Paris.", None)
    assert not answer.hit_the_limit
    asked = server.completions[0].json
    assert asked["stream"] is True
    assert (asked["model"], asked["temperature"], asked["top_p"], asked["max_tokens"]) == (MODEL, 0, 0.9, 77)


async def test_knows_what_it_took(server: ModelServer) -> None:
    server.seconds_a_chunk = 0.05
    answer = await answer_from(server.url)
    await read(answer)
    usage = answer.usage
    assert usage is not None
    assert (usage.prompt_tokens or 0) > 0
    assert usage.completion_tokens == 5
    assert usage.first_token_seconds is not None
    assert usage.seconds is not None
    assert 0.1 <= usage.first_token_seconds <= usage.seconds - 4 * 0.05


async def test_knows_when_max_tokens_cut_it(server: ModelServer) -> None:
    server.finish_reason = "length"
    answer = await answer_from(server.url)
    assert (await read(answer))[1] is None
    assert answer.hit_the_limit


async def test_an_answer_without_an_end_is_not_taken_for_a_whole_one(server: ModelServer) -> None:
    server.finish_reason = None
    text, problem = await read(await answer_from(server.url))
    assert text == "The capital is Paris."
    assert problem
    assert problem.cause == "stream-cut"


@pytest.mark.parametrize("how", ["cut", "reset"])
async def test_a_lost_connection_keeps_what_came(server: ModelServer, how: Habit) -> None:
    server.habit = how
    text, problem = await read(await answer_from(server.url))
    assert text == "The"
    assert problem
    assert problem.cause == "stream-cut"


async def test_too_long_a_prompt_is_said_in_numbers(server: ModelServer) -> None:
    """Foundry Local answers a stream with 200 and then one error event."""
    server.tokens = []
    server.error = {
        "code": None,
        "message": "search_options.cc:108 int fl::ValidateGeneratorRequestBudget(int64_t, int, int) request requires "
        "9031 total tokens (8007 input + 1024 output), which exceeds the model's maximum context length of 8192 tokens",
        "type": "invalid_request_error",
    }
    text, problem = await read(await answer_from(server.url))
    assert text == ""
    assert problem
    assert problem.cause == "context-too-long"
    assert all(number in problem.what for number in ("8007", "1024", "8192"))
    assert "cc:108" not in problem.markdown


async def test_too_much_kept_free_for_the_answer_is_the_setting_s_fault(server: ModelServer) -> None:
    message = (
        "requires 9031 total tokens (31 input + 9000 output), which exceeds the maximum context length of 8192 tokens"
    )
    server.tokens, server.error = [], {"message": message}
    _, problem = await read(await answer_from(server.url))
    assert problem
    assert "Set `MAX_TOKENS` in `.env`" in problem.fix


async def test_an_error_in_the_stream_keeps_what_came(server: ModelServer) -> None:
    server.error = {"message": "out of\n`memory`"}
    text, problem = await read(await answer_from(server.url))
    assert text == "The capital is Paris."
    assert problem
    assert problem.cause == "stream-error-event"
    assert "`out of 'memory'`" in problem.what


async def test_an_empty_answer_is_an_error(server: ModelServer) -> None:
    server.tokens = []
    _, problem = await read(await answer_from(server.url))
    assert problem
    assert problem.cause == "empty-answer"


@pytest.mark.parametrize("code", STACK_ERRORS)
async def test_gateway_and_relay_are_understood(server: ModelServer, code: str) -> None:
    server.chat_refuses = (
        "503 Service Unavailable",
        {"error": {"message": "internal words", "type": "stack_error", "code": code}},
    )
    _, problem = await read(await answer_from(server.url))
    assert problem
    assert problem.cause == code
    assert "internal words" not in problem.markdown


@pytest.mark.parametrize(
    ("status", "message", "cause"),
    [
        ("400 Bad Request", "Model not loaded: smollm2", "model-not-loaded"),
        ("404 Not Found", "Model not found: No model matching 'smollm2'", "model-unknown"),
        (
            "400 Bad Request",
            "request requires 9 total tokens, which exceeds the model's maximum context length",
            "context-too-long",
        ),
        ("401 Unauthorized", "Incorrect API key", "api-key-refused"),
        ("429 Too Many Requests", "slow down", "busy"),
        ("500 Internal Server Error", "template has no tool markers", "server-error"),
    ],
)
async def test_servers_are_understood(server: ModelServer, status: str, message: str, cause: str) -> None:
    server.chat_refuses = (status, {"error": {"message": message, "code": None, "type": "invalid_request_error"}})
    _, problem = await read(await answer_from(server.url))
    assert problem
    assert problem.cause == cause


async def test_nobody_there_is_said_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        root = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with asyncio.timeout(4):
        _, problem = await read(await answer_from(root))
    assert problem
    assert problem.cause == "connection-refused"
    assert root in problem.what
    assert "python3 scripts/up.py" in problem.fix


async def test_stop_ends_the_models_work(server: ModelServer) -> None:
    server.endless = True

    async def listen(heard: asyncio.Event) -> None:
        async with aclosing((await answer_from(server.url)).pieces()) as pieces:
            async for _ in pieces:
                heard.set()

    heard = asyncio.Event()
    listening = asyncio.create_task(listen(heard))
    async with asyncio.timeout(5):
        await heard.wait()
        assert not server.completions[0].client_left.is_set()
        listening.cancel()
        await server.completions[0].client_left.wait()


async def test_a_fast_model_does_not_drown_the_page(server: ModelServer) -> None:
    server.tokens = [f"{number} " for number in range(3000)]
    pieces = [piece async for piece in (await answer_from(server.url)).pieces()]
    assert "".join(pieces) == "".join(server.tokens)
    assert pieces[0] == "0 ", "the first token is shown at once"
    assert len(pieces) < 300


async def test_nobody_waits_for_anybody_else(server: ModelServer) -> None:
    server.endless = True
    slow = asyncio.create_task(read(await answer_from(server.url)))
    async with ModelServer() as other, asyncio.timeout(5):
        assert (await read(await answer_from(other.url)))[1] is None
    assert not slow.done()
    slow.cancel()


@pytest.mark.parametrize(
    ("whole", "events", "cause"),
    [
        (answer_of("200 OK", '{"error": {"message": "out of memory"}}'), None, "stream-error-event"),
        (answer_of("200 OK", '{"error": "exceeds the maximum context length"}'), None, "context-too-long"),
        (answer_of("200 OK", "<h1>Welcome</h1>", "text/html"), None, "unknown"),
        (None, (part("The"), "{{{ noise", part(" cat", "stop"), "[DONE]"), "unknown"),
        (None, (part("The"), {"choices": None}), "unknown"),
        (None, (part(" \n"), part(None, "stop"), "[DONE]"), "empty-answer"),
    ],
)
async def test_what_is_no_answer_is_said_so(whole: bytes | None, events: tuple[Event, ...] | None, cause: str) -> None:
    async with OddServer() as server:
        server.whole, server.events = whole, events
        _, problem = await read(await answer_from(server.url))
    assert problem
    assert problem.cause == cause
    assert "chat app itself failed" not in problem.markdown


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines", "bell\a"])
def test_a_key_that_can_not_be_sent_is_named(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Else it looks like a server that answers nonsense."""
    monkeypatch.setenv("API_KEY", key)
    load.cache_clear()
    with pytest.raises(Problem) as problem:
        load()
    load.cache_clear()
    assert problem.value.cause == "bad-setting"
    assert "`API_KEY`" in problem.value.markdown
    assert key not in problem.value.markdown
