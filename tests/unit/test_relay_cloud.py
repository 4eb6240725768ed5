"""The relay's way to the cloud: one call of who brings the chat's token, to one address that proves who it is, and the
key goes there and nowhere else. The stand-in keeps every byte that it gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fakes.certificates import Authority
from fakes.cloud import TOKENS, Cloud, Habit
from fakes.foundry import FakeFoundry
from fakes.relay_process import (
    CLOUD_KEY,
    CLOUD_TOKEN,
    TOKEN,
    RelayProcess,
    code_of,
    free_port,
    parse,
    request,
    running_relay,
)
from stack.tools import under_way

VIA = "1.1 foundry-stack-relay"
SILENCE = 1.5  # seconds; the relay's limit in these tests
PATH = "/cloud/v1/chat/completions"
QUESTION = {"model": "big", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
STREAMED = {**QUESTION, "stream": True}
BRINGS_TOKEN = f"Authorization: Bearer {CLOUD_TOKEN}"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    options = ("--first-byte-timeout", str(SILENCE), "--body-limit", "100000")
    with running_relay(tmp_path_factory.mktemp("relay"), *options) as process:
        yield process


@pytest.fixture
async def cloud(relay: RelayProcess) -> AsyncIterator[Cloud]:
    """A cloud to which the relay leads."""
    async with Cloud() as stand_in:
        relay.open_cloud(f"http://127.0.0.1:{stand_in.port}/v1")
        yield stand_in
    relay.close_cloud()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {CLOUD_TOKEN}"}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20), headers=headers) as session:
        yield session


def raw(relay: RelayProcess, *headers: str, target: str = PATH, method: str = "POST", host: str = "127.0.0.1") -> bytes:
    body = json.dumps(QUESTION).encode()
    return request(target, *headers, method=method, host=f"{host}:{relay.port}", body=body)


# --- who may ask, and for what ---


async def test_without_a_cloud_there_is_no_such_call(relay: RelayProcess, foundry: FakeFoundry) -> None:
    relay.close_cloud()
    status, headers, body = await relay.send(raw(relay, BRINGS_TOKEN))
    assert (status, headers["via"], code_of(body)) == (404, VIA, "cloud-not-configured")
    assert foundry.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Authorization: Bearer wrong"],
        [f"Authorization: Bearer {CLOUD_TOKEN}x"],
        [f"Authorization: Bearer {CLOUD_TOKEN.upper()}"],
        [f"Authorization: Basic {CLOUD_TOKEN}"],
        [f"Authorization: Bearer {TOKEN}"],  # the key of one's own containers
        [f"Authorization: Bearer {CLOUD_KEY}"],
        [f"X-Relay-Token: {CLOUD_TOKEN}"],
        [BRINGS_TOKEN, BRINGS_TOKEN],
    ],
    ids=str,
)
async def test_who_does_not_bring_the_chats_token_is_refused(
    relay: RelayProcess, cloud: Cloud, headers: list[str]
) -> None:
    status, _, body = await relay.send(raw(relay, *headers))
    assert (status, code_of(body)) == (403, "cloud-not-allowed")
    assert (cloud.connections, cloud.received) == (0, b"")


async def test_at_the_containers_door_both_tokens_are_needed(relay: RelayProcess, cloud: Cloud) -> None:
    own = f"X-Relay-Token: {TOKEN}"
    for headers, expected in (
        ([BRINGS_TOKEN], "relay-token-wrong"),
        ([own], "cloud-not-allowed"),
        ([own, f"Authorization: Bearer {TOKEN}"], "cloud-not-allowed"),
    ):
        _, _, body = await relay.send(raw(relay, *headers, host="127.0.0.2"), "127.0.0.2")
        assert code_of(body) == expected
    assert cloud.received == b""
    assert (await relay.send(raw(relay, own, BRINGS_TOKEN, host="127.0.0.2"), "127.0.0.2"))[0] == 200
    assert len(cloud.questions) == 1


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", PATH),
        ("PUT", PATH),
        ("DELETE", PATH),
        ("OPTIONS", PATH),
        ("GET", "/cloud/v1/models"),
        ("POST", "/cloud/v1/embeddings"),
        ("POST", "/cloud/v1/responses"),
        ("POST", "/cloud/v1/files"),
        ("POST", f"{PATH}?x"),
        ("POST", f"{PATH}?"),
        ("POST", f"{PATH}/"),
        ("POST", f"/{PATH}"),
        ("POST", "/%63loud/v1/chat/completions"),
        ("POST", "/cloud/v1/chat/../files"),
        ("POST", "/cloud/v1/chat%2fcompletions"),
        ("POST", "/cloud/../v1/chat/completions"),
        ("POST", "/Cloud/v1/chat/completions"),
        ("POST", "/cloud"),
    ],
)
async def test_no_other_call_leads_there(
    relay: RelayProcess, cloud: Cloud, foundry: FakeFoundry, method: str, target: str
) -> None:
    status, _, body = await relay.send(raw(relay, BRINGS_TOKEN, target=target, method=method))
    assert (status, code_of(body)) == (403, "not-allowed")
    assert (cloud.received, foundry.requests) == (b"", [])


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Origin: https://evil.example", "origin-not-allowed"),
        ("Origin: http://localhost:8080", "origin-not-allowed"),
        ("Sec-Fetch-Site: cross-site", "origin-not-allowed"),
    ],
)
async def test_no_page_asks_the_cloud(relay: RelayProcess, cloud: Cloud, header: str, code: str) -> None:
    _, _, body = await relay.send(raw(relay, BRINGS_TOKEN, header))
    assert code_of(body) == code
    assert cloud.received == b""


# --- what goes there, and what comes back ---


async def test_the_cloud_gets_the_question_the_key_and_nothing_on_who_asks(relay: RelayProcess, cloud: Cloud) -> None:
    body = json.dumps(QUESTION).encode()
    said = ["Content-Type: application/json", "Accept: text/event-stream", "Cookie: session=chat", "X-Request-ID: r-1"]
    said += ["X-Stainless-OS: Linux", "User-Agent: AsyncOpenAI/Python", "Referer: http://localhost:8080/", "X-Any: x"]
    assert (await relay.send(raw(relay, BRINGS_TOKEN, *said)))[0] == 200
    (question,) = cloud.questions
    assert (question.method, question.target, question.body) == ("POST", "/v1/chat/completions", body)
    assert {name.lower(): value for name, value in question.headers} == {
        "host": f"127.0.0.1:{cloud.port}",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "user-agent": "foundry-stack",
        "content-length": str(len(body)),
        "authorization": f"Bearer {CLOUD_KEY}",
    }
    assert CLOUD_TOKEN.encode() not in cloud.received


async def test_azure_is_asked_as_azure_wants_it(relay: RelayProcess, cloud: Cloud) -> None:
    address = f"http://127.0.0.1:{cloud.port}/openai/deployments/big-one"
    relay.open_cloud(f"{address}/chat/completions?api-version=2024-10-21")
    assert (await relay.send(raw(relay, BRINGS_TOKEN)))[0] == 200
    (question,) = cloud.questions
    assert question.target == "/openai/deployments/big-one/chat/completions?api-version=2024-10-21"
    assert (question.header("api-key"), question.header("Authorization")) == ([CLOUD_KEY], [])


async def test_a_cloud_without_a_key_gets_none(relay: RelayProcess, cloud: Cloud) -> None:
    relay.open_cloud(f"http://127.0.0.1:{cloud.port}/v1", key="")
    assert (await relay.send(raw(relay, BRINGS_TOKEN)))[0] == 200
    assert (cloud.questions[0].header("Authorization"), cloud.questions[0].header("api-key")) == ([], [])


async def test_of_the_answer_only_what_is_needed_comes_back(relay: RelayProcess, cloud: Cloud) -> None:
    status, headers, body = await relay.send(raw(relay, BRINGS_TOKEN, "X-Request-ID: r-2"))
    assert (status, json.loads(body)["choices"][0]["message"]["content"]) == (200, "".join(TOKENS))
    assert headers == {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "via": VIA,
        "x-request-id": "r-2",
        "date": headers["date"],
        "server": headers["server"],
        "connection": "close",
    }


async def test_a_token_arrives_before_the_next_one_exists(
    relay: RelayProcess, cloud: Cloud, http: aiohttp.ClientSession
) -> None:
    cloud.gate = asyncio.Event()
    async with asyncio.timeout(10), http.post(relay.url + PATH, json=STREAMED) as answer:
        assert await _text(answer) == TOKENS[0]
        cloud.gate.set()
        assert [await _text(answer) for _ in TOKENS[1:]] == list(TOKENS[1:])
        assert (await answer.content.read()).endswith(b"data: [DONE]\n\n")


async def test_a_cut_is_seen_as_a_cut(relay: RelayProcess, cloud: Cloud, http: aiohttp.ClientSession) -> None:
    cloud.habit = "cut"
    with pytest.raises(aiohttp.ClientPayloadError):
        async with http.post(relay.url + PATH, json=STREAMED, headers={"X-Request-ID": "cut"}) as answer:
            assert answer.status == 200
            await answer.read()
    assert (await relay.logged("cut"))["cause"] == "stream-cut"


async def test_who_leaves_is_hung_up_on_behind_the_relay(
    relay: RelayProcess, cloud: Cloud, http: aiohttp.ClientSession
) -> None:
    cloud.gate = asyncio.Event()
    async with http.post(relay.url + PATH, json=STREAMED, headers={"X-Request-ID": "left"}) as answer:
        assert await _text(answer) == TOKENS[0]
        answer.close()
    assert (await relay.logged("left"))["cause"] == "client-left"


async def test_it_does_not_count_as_work_of_foundry_local(
    relay: RelayProcess, cloud: Cloud, foundry: FakeFoundry, http: aiohttp.ClientSession
) -> None:
    cloud.gate = asyncio.Event()
    async with http.post(relay.url + PATH, json=STREAMED) as answer:
        assert await _text(answer) == TOKENS[0]
        _, headers, _ = await relay.send(request("/status", host=f"127.0.0.1:{relay.port}"))
        assert headers[under_way.COUNT.lower()] == "0"
        cloud.gate.set()
        await answer.read()


# --- who answers there must prove to be it ---


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def test_who_proves_to_be_it_is_asked(relay: RelayProcess, authority: Authority) -> None:
    async with Cloud(tls=authority.server("localhost")) as cloud:
        relay.open_cloud(f"https://localhost:{cloud.port}/v1", ca_bundle=authority.file)
        assert (await relay.send(raw(relay, BRINGS_TOKEN)))[0] == 200
    assert cloud.questions[0].header("Authorization") == [f"Bearer {CLOUD_KEY}"]


@pytest.mark.parametrize(
    "wrong", ["of an authority that nobody knows", "expired", "of another name", "trusted by nobody told"]
)
async def test_who_does_not_gets_not_one_byte(
    relay: RelayProcess, authority: Authority, tmp_path: Path, wrong: str
) -> None:
    signs = Authority(tmp_path, "stranger") if wrong == "of an authority that nobody knows" else authority
    name = "somebody.example" if wrong == "of another name" else "localhost"
    tls = signs.server(name, days=-1 if wrong == "expired" else 1)
    async with Cloud(tls=tls) as cloud:
        known = None if wrong == "trusted by nobody told" else authority.file
        relay.open_cloud(f"https://localhost:{cloud.port}/v1", ca_bundle=known)
        status, _, body = await relay.send(raw(relay, BRINGS_TOKEN))
    assert (status, code_of(body)) == (502, "cloud-not-trusted")
    assert cloud.received == b""


async def test_plain_http_where_tls_should_be(relay: RelayProcess) -> None:
    received = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received += await reader.read(65536)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        relay.open_cloud(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        _, _, body = await relay.send(raw(relay, BRINGS_TOKEN))
    assert code_of(body) == "cloud-not-trusted"
    assert received.startswith(b"\x16\x03"), "no TLS was tried"
    assert not [secret for secret in (CLOUD_KEY, CLOUD_TOKEN, "capital") if secret.encode() in received]


@pytest.mark.parametrize("url", ["http://192.0.2.1/v1", "http://localhost:1/v1", "ftp://127.0.0.1/v1", "nonsense"])
async def test_an_address_that_up_would_refuse_is_no_cloud_here_either(relay: RelayProcess, url: str) -> None:
    relay.open_cloud(url)
    status, _, body = await relay.send(raw(relay, BRINGS_TOKEN))
    assert (status, code_of(body)) == (404, "cloud-not-configured")


# --- what can go wrong there ---


FAILURES: dict[Habit, tuple[int, str, str]] = {
    "400": (400, "cloud-refused", "Unsupported value"),
    "too-long": (400, "context-too-long", "maximum context length"),
    "401": (502, "cloud-key-wrong", "CLOUD_API_KEY"),
    "403": (502, "cloud-key-wrong", "Country not supported"),
    "404": (502, "cloud-address-wrong", "The model does not exist"),
    "429": (429, "cloud-busy", "Rate limit reached"),
    "500": (503, "cloud-down", "(500)"),
    "503": (503, "cloud-down", "Overloaded"),
    "redirect": (502, "cloud-address-wrong", "(302)"),
    "page": (502, "cloud-address-wrong", "(200)"),
    "closes": (503, "cloud-down", "without an answer"),
    "hangs": (504, "cloud-hangs", "no answer in 2 s"),
    "large-error": (503, "cloud-down", "(500)"),
}


@pytest.mark.parametrize("habit", FAILURES)
@pytest.mark.parametrize("question", [QUESTION, STREAMED], ids=["whole", "streamed"])
async def test_each_failure_has_its_code(
    relay: RelayProcess, cloud: Cloud, http: aiohttp.ClientSession, habit: Habit, question: dict[str, Any]
) -> None:
    cloud.habit = habit
    status, code, says = FAILURES[habit]
    async with http.post(relay.url + PATH, json=question, headers={"X-Request-ID": f"f-{habit}"}) as answer:
        text = await answer.text()
        assert (answer.status, code_of(text.encode())) == (status, code)
        assert says in json.loads(text)["error"]["message"]
        if habit in ("429", "503"):
            assert answer.headers["Retry-After"] == "17"
        assert "OpenAI-Organization" not in answer.headers
    assert CLOUD_KEY not in text
    assert cloud.endless < 50_000_000, "who never ends was read on and on"
    assert len(cloud.questions) == 1, "asked once: a second time is for the chat to decide, and may cost"
    assert (await relay.logged(f"f-{habit}"))["cause"] == code


async def test_nobody_listens_there(relay: RelayProcess) -> None:
    relay.open_cloud(f"http://127.0.0.1:{free_port()}/v1")
    status, headers, body = await relay.send(raw(relay, BRINGS_TOKEN))
    assert (status, code_of(body), headers["retry-after"]) == (503, "cloud-down", "5")


async def test_it_takes_as_much_as_foundry_local_does(relay: RelayProcess, cloud: Cloud) -> None:
    host = f"127.0.0.1:{relay.port}"
    large = request(PATH, BRINGS_TOKEN, method="POST", host=host, body=b"x" * 100_001)
    status, _, body = await relay.send(large)
    assert (status, code_of(body)) == (413, "too-large")
    chunked = f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\n{BRINGS_TOKEN}\r\nConnection: close\r\n"
    chunked += "Transfer-Encoding: chunked\r\n\r\n"
    status, _, body = await relay.send(chunked.encode() + b"%x\r\n" % 100_001 + b"x" * 100_001 + b"\r\n0\r\n\r\n")
    assert (status, code_of(body)) == (413, "too-large")
    assert cloud.questions == []


# --- while it runs ---


async def test_a_new_key_and_the_end_of_the_way_are_taken_up_at_once(relay: RelayProcess, cloud: Cloud) -> None:
    relay.open_cloud(f"http://127.0.0.1:{cloud.port}/v1", key="sk-new")
    assert (await relay.send(raw(relay, BRINGS_TOKEN)))[0] == 200
    assert cloud.questions[0].header("Authorization") == ["Bearer sk-new"]
    relay.close_cloud()
    assert (await relay.send(raw(relay, BRINGS_TOKEN)))[0] == 404
    assert len(cloud.questions) == 1


async def test_the_log_names_the_call_and_no_word_key_or_token(relay: RelayProcess, cloud: Cloud) -> None:
    await relay.send(raw(relay, BRINGS_TOKEN, "X-Request-ID: logged"))
    line = await relay.logged("logged")
    assert (line["path"], line["status"], line["cause"]) == (PATH, 200, None)
    log = (relay.folder / "relay.log").read_text()
    assert not [secret for secret in (CLOUD_KEY, CLOUD_TOKEN, "capital") if secret in log]


async def test_two_questions_on_one_connection_get_an_answer_each(relay: RelayProcess, cloud: Cloud) -> None:
    host = f"127.0.0.1:{relay.port}"
    body = json.dumps(QUESTION).encode()
    first = request(PATH, BRINGS_TOKEN, method="POST", host=host, body=body).replace(b"Connection: close\r\n", b"")
    second = raw(relay, BRINGS_TOKEN)
    _, _, rest = parse(await relay.send_bytes(first + second))
    assert rest.count(b"HTTP/1.1 200 OK") == 1
    assert len(cloud.questions) == 2


async def _text(answer: aiohttp.ClientResponse) -> str:
    while True:
        line = await answer.content.readline()
        if line.startswith(b"data: {"):
            return str(json.loads(line[6:])["choices"][0]["delta"].get("content"))
