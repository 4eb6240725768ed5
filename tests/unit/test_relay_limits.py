"""What one sender may ask of the relay at once, and how long the relay waits for what never ends."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.foundry import FakeFoundry
from fakes.relay_process import RelayProcess, code_of, parse, request, running_relay
from stack.parts.relay import limits
from stack.parts.relay.access_log import harmless
from stack.parts.relay.limits import CONNECTIONS, Crowd, Rate

RATE, IDLE, BODY = 20.0, 0.8, 0.8  # requests per second, and seconds


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    options = ["--rate", str(RATE), "--idle-timeout", str(IDLE), "--body-timeout", str(BODY)]
    with running_relay(tmp_path_factory.mktemp("relay"), *options) as process:
        yield process


def host(relay: RelayProcess) -> str:
    return f"127.0.0.1:{relay.port}"


def test_some_seconds_worth_may_come_at_once_and_then_so_many_a_second() -> None:
    now = [100.0]
    rate = Rate(10, now=lambda: now[0])
    assert [rate.take("a") for _ in range(41)] == [True] * 40 + [False]
    assert rate.take("b"), "another sender is not to blame"
    now[0] += 0.5
    assert [rate.take("a") for _ in range(6)] == [True] * 5 + [False]
    now[0] += 1000
    assert sum(rate.take("a") for _ in range(100)) == 40, "who was away for long has saved no more"


def test_senders_that_are_made_up_do_not_fill_the_memory() -> None:
    rate = Rate(10, now=lambda: 0.0)
    for number in range(10 * limits.SENDERS):
        assert rate.take(str(number))
    assert len(rate._left) == limits.SENDERS


def test_a_place_is_free_again_when_one_leaves() -> None:
    crowd = Crowd(most=2)
    assert [crowd.enter("a"), crowd.enter("a"), crowd.enter("a"), crowd.enter("b")] == [True, True, False, True]
    crowd.leave("a")
    assert crowd.enter("a")


@pytest.mark.parametrize(
    ("target", "logged"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/models/phi:1", "/v1/models/*"),
        ("/models/unload/phi?prompt", "/models/unload/*"),
        ("/a prompt/v1", "/*/v1"),
        ("/" * 50, "/" * 8),
        ("*", "*"),
        ("http://host/v1/models", "*//*/v1/models"),
        ("", ""),
    ],
)
def test_of_a_path_only_the_words_of_the_api_are_logged(target: str, logged: str) -> None:
    assert harmless(target) == logged


async def test_one_connection_too_many_is_told_so_and_the_others_stay(
    relay: RelayProcess, foundry: FakeFoundry
) -> None:
    kept = [await asyncio.open_connection("127.0.0.1", relay.port) for _ in range(CONNECTIONS)]
    try:
        status, headers, body = await relay.send(request("/v1/models", host=host(relay)))
        assert (status, headers["retry-after"], code_of(body)) == (429, "5", "too-many-requests")
        other = request("/v1/models", host=f"127.0.0.2:{relay.port}")
        assert (await relay.send(other, "127.0.0.2"))[0] == 401, "another door is another crowd"
        reader, writer = kept.pop()
        writer.write(request("/status", host=host(relay)))
        assert parse(await reader.read())[0] == 200
        writer.close()
        assert (await relay.send(request("/v1/models", host=host(relay))))[0] == 200
    finally:
        for _, writer in kept:
            writer.close()


@pytest.mark.parametrize("begun", [b"", b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
async def test_headers_that_never_end_are_not_waited_for(
    relay: RelayProcess, foundry: FakeFoundry, begun: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    started = time.monotonic()
    writer.write(begun)
    closed = asyncio.create_task(reader.read())
    while not closed.done() and time.monotonic() - started < 10:
        writer.write(b"a" if begun else b"")  # a drop now and then changes nothing
        await asyncio.wait({closed}, timeout=0.2)
    assert await closed == b""
    assert IDLE * 0.9 <= time.monotonic() - started < IDLE + 3
    writer.close()


async def test_a_body_that_never_ends_is_not_waited_for(relay: RelayProcess, foundry: FakeFoundry) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    head = f"POST /v1/responses HTTP/1.1\r\nHost: {host(relay)}\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = asyncio.create_task(reader.read())
    for _ in range(50):
        if answer.done():
            break
        writer.write(b"a")
        await asyncio.wait({answer}, timeout=0.2)
    status, _, body = parse(answer.result())
    assert (status, code_of(body)) == (408, "too-slow")
    assert foundry.requests == []
    writer.close()


def test_there_are_files_enough(relay: RelayProcess) -> None:
    limit = Path(f"/proc/{relay.pid}/limits").read_text().partition("Max open files")[2].split()[0]
    assert limit == "unlimited" or int(limit) >= limits.OPEN_FILES


async def test_a_flood_is_told_to_come_again_and_the_next_second_it_may(
    relay: RelayProcess, foundry: FakeFoundry
) -> None:
    one = request("/v1/models", host=host(relay))
    answers = await asyncio.gather(*(relay.send(one) for _ in range(200)))
    passed = sum(status == 200 for status, _, _ in answers)
    assert RATE * limits.BURST_SECONDS <= passed < 150
    assert passed == len(foundry.requests)
    for status, headers, body in answers:
        if status != 200:
            assert (status, headers["retry-after"], code_of(body)) == (429, "5", "too-many-requests")
    async with asyncio.timeout(2):
        while (await relay.send(one))[0] != 200:
            pass
