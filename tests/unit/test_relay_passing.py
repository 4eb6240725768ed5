"""What may pass the relay passes as it comes: chunk by chunk, cut where it was cut, stopped where the client left."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from fakes.foundry import MODEL, FakeFoundry, Habit
from fakes.relay_process import RelayProcess, code_of, free_port, parse, request, running_relay

VIA = "1.1 foundry-stack-relay"
SILENCE = 1.5  # seconds; the relay's limit in these tests
AT_ONCE = 1.0  # seconds; far above what it takes, far below any timeout that could stand in for it
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "What is the capital of France?"}]}
STREAMED = {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with running_relay(tmp_path_factory.mktemp("relay"), "--first-byte-timeout", str(SILENCE)) as process:
        yield process


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


def chat(relay: RelayProcess) -> str:
    return f"{relay.url}/v1/chat/completions"


def raw_chat(relay: RelayProcess, question: dict[str, Any], version: str = "1.1") -> bytes:
    address = f"127.0.0.1:{relay.port}"
    raw = request("/v1/chat/completions", method="POST", host=address, body=json.dumps(question).encode())
    return raw.replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)


async def test_an_answer_passes_as_it_is(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    async with http.post(chat(relay), json=QUESTION) as through, http.post(
        f"{foundry.url}/v1/chat/completions", json=QUESTION
    ) as direct:  # fmt: skip
        assert await through.read() == await direct.read()
        assert through.status == direct.status == 200
        assert through.headers["Content-Type"] == "application/json"
        assert through.headers.getall("Via") == [VIA]
    assert foundry.requests[0].json == QUESTION


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", f"/v1/models/{MODEL}"),
        ("GET", "/models/loaded"),
        ("GET", "/status"),
        ("POST", "/v1/responses"),
        ("POST", "/v1/embeddings"),
        ("DELETE", "/v1/responses/resp_1"),
    ],
)
async def test_every_allowed_call(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession, method: str, path: str
) -> None:
    async with http.request(method, relay.url + path, json={} if method == "POST" else None) as answer:
        assert answer.status == 200
        assert await answer.json()
    assert [(sent.method, sent.target) for sent in foundry.requests] == [(method, path)]


async def test_foundrys_own_errors_pass(relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession) -> None:
    async with http.post(chat(relay), json={**QUESTION, "model": "phi:1"}) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]["message"] == "Model not loaded: phi:1"
        assert answer.headers["Via"] == VIA
    async with http.get(f"{relay.url}/v1/models/unknown:1") as answer:
        assert answer.status == 404


async def test_headers_come_once_and_hop_by_hop_ones_stay(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    extra = {
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
        "X-Kept": "2",
        "TE": "trailers",
        "Authorization": "Bearer k",
    }
    async with http.post(chat(relay), json=STREAMED, headers=extra) as answer:
        await answer.read()
        for name in ("Content-Type", "Cache-Control", "Via", "X-Request-ID", "Transfer-Encoding"):
            assert len(answer.headers.getall(name)) == 1, name
        assert answer.headers["Content-Type"] == "text/event-stream"
    sent = foundry.requests[0]
    assert (sent.header("X-Hop"), sent.header("TE")) == ([], [])
    assert (sent.header("X-Kept"), sent.header("Authorization")) == (["2"], ["Bearer k"])


async def test_a_chunk_arrives_before_the_next_one_exists(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    foundry.gated = True
    async with asyncio.timeout(10), http.post(chat(relay), json=STREAMED) as answer:
        # The headers are here although no chunk was let go.
        foundry.let_go()
        assert await _delta(answer) == ""
        for token in foundry.tokens:
            foundry.let_go()
            assert await _delta(answer) == token
        foundry.let_go(3)
        rest = await answer.content.read()
    assert rest.endswith(b"data: [DONE]\n\n")
    assert b'"usage"' in rest


async def test_an_error_event_ends_properly_without_done(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    foundry.habit = "error-event"
    async with http.post(chat(relay), json=STREAMED) as answer:
        assert answer.status == 200
        body = await answer.read()
    assert b"prompt too long" in body
    assert b"[DONE]" not in body


@pytest.mark.parametrize("habit", ["cut", "reset"])
@pytest.mark.parametrize("question", [STREAMED, QUESTION], ids=["streamed", "whole"])
async def test_a_cut_is_seen_as_a_cut(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession, habit: Habit, question: dict[str, Any]
) -> None:
    foundry.habit = habit
    name = f"cut-{foundry.port}"
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.post(chat(relay), json=question, headers={"X-Request-ID": name}) as answer:
            assert answer.status == 200
            await answer.read()
    assert (await relay.logged(name))["cause"] == "stream-cut"


async def test_a_cut_has_no_last_chunk_on_the_wire(relay: RelayProcess, foundry: FakeFoundry) -> None:
    foundry.habit = "cut"
    status, _, body = await relay.send(raw_chat(relay, STREAMED))
    assert status == 200
    assert b"chat.completion.chunk" in body
    assert not body.endswith(b"0\r\n\r\n")


async def test_a_cut_is_a_reset_where_the_end_of_the_connection_ends_the_answer(
    relay: RelayProcess, foundry: FakeFoundry
) -> None:
    with contextlib.suppress(ConnectionResetError):  # whatever arrives before it
        foundry.habit = "cut"
        await relay.send(raw_chat(relay, STREAMED, version="1.0"))
        pytest.fail("HTTP/1.0 saw a proper end")
    foundry.habit = "answers"
    status, headers, body = await relay.send(raw_chat(relay, STREAMED, version="1.0"))
    assert (status, headers.get("transfer-encoding")) == (200, None)
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("question", [STREAMED, QUESTION], ids=["streamed", "whole"])
async def test_a_client_that_leaves_stops_foundry(
    relay: RelayProcess, foundry: FakeFoundry, question: dict[str, Any]
) -> None:
    foundry.gated = True
    name = f"leaves-{foundry.port}"
    _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(raw_chat(relay, question).replace(b"Connection: close", f"X-Request-ID: {name}".encode()))
    sent = await foundry.request()
    assert not sent.client_left.is_set()
    writer.close()
    async with asyncio.timeout(AT_ONCE):
        await sent.client_left.wait()
    assert (await relay.logged(name))["status"] == 499


async def test_status_tells_how_many_wait_for_an_answer(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    async def under_way() -> str | None:
        async with http.get(f"{relay.url}/status") as status:
            return status.headers.get("X-Answers-Under-Way")

    assert await under_way() == "0"
    foundry.gated = True
    async with http.post(chat(relay), json=STREAMED) as first:
        assert await under_way() == "1"
        async with http.post(chat(relay), json=STREAMED) as second:
            assert await under_way() == "2"
            foundry.let_go(100)
            await second.read()
            await first.read()
    async with asyncio.timeout(AT_ONCE):
        while await under_way() != "0":
            await asyncio.sleep(0.01)
    async with http.get(f"{relay.url}/v1/models") as models:
        assert "X-Answers-Under-Way" not in models.headers


async def test_status_tells_since_when_each_answer_is_silent(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    async def silent() -> str:
        async with http.get(f"{relay.url}/status") as status:
            return status.headers["X-Answers-Silent"]

    foundry.gated = True
    async with http.post(chat(relay), json=STREAMED) as answer:
        foundry.let_go(1)
        await answer.content.readline()
        assert await silent() == ""  # that an answer begins is no text
        foundry.let_go(1)
        while b'"The"' not in await answer.content.readline():
            pass
        assert 0 <= float(await silent()) < AT_ONCE


@pytest.mark.parametrize(("goes_on", "code"), [(True, "busy"), (False, "foundry-hangs")])
async def test_a_status_that_does_not_come_is_busy_only_while_others_get_text(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession, goes_on: bool, code: str
) -> None:
    foundry.gated, foundry.tokens = True, [" on"] * 1000

    async def read(answer: aiohttp.ClientResponse) -> None:
        async for _ in answer.content:
            if goes_on or foundry.habit == "answers":
                foundry.let_go(1)
            await asyncio.sleep(0.01)

    async with http.post(chat(relay), json=STREAMED) as answer:
        foundry.let_go(10)
        reading = asyncio.create_task(read(answer))
        await answer_has_text(http, relay)
        foundry.habit = "hangs"
        async with http.get(f"{relay.url}/status") as status:
            assert code_of(await status.read()) == code
        reading.cancel()


async def answer_has_text(http: aiohttp.ClientSession, relay: RelayProcess) -> None:
    async with asyncio.timeout(AT_ONCE):
        while True:
            async with http.get(f"{relay.url}/status") as status:
                if status.headers["X-Answers-Silent"]:
                    return


async def test_a_client_that_leaves_in_the_midst_of_the_answer(relay: RelayProcess, foundry: FakeFoundry) -> None:
    foundry.gated = True
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(raw_chat(relay, STREAMED))
    sent = await foundry.request()
    foundry.let_go(2)
    await reader.readuntil(b'"content":"The"')
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    async with asyncio.timeout(AT_ONCE):
        await sent.client_left.wait()


async def test_a_client_that_leaves_while_it_uploads(relay: RelayProcess, foundry: FakeFoundry) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    head = f"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{relay.port}\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b"{")
    await writer.drain()
    writer.close()
    async with aiohttp.ClientSession() as session, session.get(f"{relay.url}/status") as answer:
        assert answer.status == 200
    assert [sent.target for sent in foundry.requests] == ["/status"]  # half a request is none


async def test_a_long_body_passes_while_it_comes(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b"x" * 10_000

    async with http.post(f"{relay.url}/v1/responses", data=pieces()) as answer:
        assert answer.status == 200
    assert foundry.requests[0].body == b"x" * 3_000_000


async def test_many_at_once_do_not_mix(relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession) -> None:
    async def ask(number: int) -> None:
        async with http.get(f"{relay.url}/v1/models/number:{number}", headers={"X-Request-ID": f"n{number}"}) as answer:
            assert answer.headers["X-Request-ID"] == f"n{number}"
            assert answer.status == 404

    await asyncio.gather(*(ask(number) for number in range(50)))
    asked = {(sent.target, sent.header("X-Request-ID")[0]) for sent in foundry.requests}
    assert asked == {(f"/v1/models/number:{number}", f"n{number}") for number in range(50)}


async def test_connections_to_foundry_are_kept(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    for _ in range(5):
        async with http.post(chat(relay), json=STREAMED) as answer:
            await answer.read()
    assert foundry.connections == 1


async def test_no_address_is_known(relay: RelayProcess, http: aiohttp.ClientSession) -> None:
    relay.lead_to(None)
    await _is_refused(http, chat(relay), 503, "foundry-not-running", "python3 scripts/up.py")


async def test_nobody_listens(relay: RelayProcess, http: aiohttp.ClientSession) -> None:
    relay.lead_to(f"http://127.0.0.1:{free_port()}")
    await _is_refused(http, chat(relay), 503, "foundry-not-running", "python3 scripts/foundry.py start")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"url": null}', '{"url": "ftp://x"}', '{"url": 7}'])
async def test_an_address_of_no_use(relay: RelayProcess, http: aiohttp.ClientSession, content: str) -> None:
    (relay.folder / "foundry.json").write_text(content)
    await _is_refused(http, chat(relay), 503, "foundry-not-running", "python3 scripts/up.py")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_the_relays_own_address_is_no_foundry(
    relay: RelayProcess, http: aiohttp.ClientSession, name: str
) -> None:
    relay.lead_to(f"http://{name}:{relay.port}")
    await _is_refused(http, chat(relay), 503, "foundry-not-running", "FOUNDRY_URL")


@pytest.mark.parametrize("habit", ["closes", "not-http"])
async def test_something_else_listens(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession, habit: Habit
) -> None:
    foundry.habit = habit
    await _is_refused(http, chat(relay), 503, "foundry-not-running", "python3 scripts/foundry.py")


@pytest.mark.parametrize("question", [STREAMED, QUESTION], ids=["streamed", "whole"])
async def test_foundry_hangs(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession, question: dict[str, Any]
) -> None:
    foundry.habit = "hangs"
    await _is_refused(http, chat(relay), 504, "foundry-hangs", "python3 scripts/foundry.py", question=question)
    async with asyncio.timeout(AT_ONCE):
        await foundry.requests[0].client_left.wait()


async def test_foundry_hangs_in_the_midst(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    foundry.habit = "hangs-midway"
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.post(chat(relay), json=STREAMED) as answer:
            await answer.read()


async def test_a_slow_answer_that_keeps_coming_may_take_longer_than_the_limit(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    foundry.gated = True
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with http.post(chat(relay), json=STREAMED) as answer:
        for chunk in range(len(foundry.tokens) + 4):
            loop.call_at(begun + chunk * SILENCE / 4, foundry.let_go)
        assert (await answer.read()).endswith(b"[DONE]\n\n")
    assert loop.time() - begun > SILENCE


async def test_another_foundry_is_found_at_once(
    relay: RelayProcess, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"{relay.url}/status") as answer:
        assert answer.status == 200
    async with FakeFoundry() as other:
        relay.lead_to(other.url)
        async with http.get(f"{relay.url}/status") as answer:
            assert answer.status == 200
        assert (len(foundry.requests), len(other.requests)) == (1, 1)


async def test_foundry_restarted_on_its_port_is_found_again(relay: RelayProcess, http: aiohttp.ClientSession) -> None:
    async with FakeFoundry() as first:
        relay.lead_to(first.url)
        async with http.post(chat(relay), json=QUESTION) as answer:
            assert answer.status == 200
    await _is_refused(http, chat(relay), 503, "foundry-not-running", "start")
    async with FakeFoundry(first.port), http.post(chat(relay), json=QUESTION) as answer:
        assert answer.status == 200


async def _delta(answer: aiohttp.ClientResponse) -> str:
    line = await answer.content.readuntil(b"\n\n")
    return str(json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"]["content"])


async def _is_refused(
    http: aiohttp.ClientSession,
    url: str,
    status: int,
    code: str,
    next_step: str,
    *,
    question: dict[str, Any] = QUESTION,
) -> None:
    async with http.post(url, json=question) as answer:
        body = await answer.read()
        assert (answer.status, code_of(body), answer.headers.get("Via")) == (status, code, VIA)
        assert answer.headers.get("Retry-After") == ("5" if status == 503 else None)
        assert next_step in json.loads(body)["error"]["message"]


async def test_a_refusal_keeps_the_connection_usable(relay: RelayProcess, foundry: FakeFoundry) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    head = f"Host: 127.0.0.1:{relay.port}\r\n"
    writer.write(
        f"GET /shutdown HTTP/1.1\r\n{head}\r\nGET /status HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode()
    )
    async with asyncio.timeout(10):
        raw = await reader.read()
    writer.close()
    assert parse(raw)[0] == 403
    assert raw.count(b"HTTP/1.1 200 OK") == 1
    assert len(foundry.requests) == 1
