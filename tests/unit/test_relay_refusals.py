"""What must not reach Foundry Local does not reach it: the real relay is asked over bare sockets, and the stand-in's
list of requests is the witness."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.foundry import MODEL, FakeFoundry
from fakes.relay_process import TOKEN, RelayProcess, code_of, parse, request, running_relay
from stack.parts import state

VIA = "1.1 foundry-stack-relay"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    with running_relay(tmp_path_factory.mktemp("relay"), "--body-limit", "100000") as process:
        yield process


def host(relay: RelayProcess) -> str:
    return f"127.0.0.1:{relay.port}"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/shutdown"),
        ("GET", "/models/unload/smollm2-135m-instruct"),
        ("POST", "/models/load/smollm2-135m-instruct"),
        ("GET", "/v1/responses"),
        ("GET", "/v1/responses/resp_1"),
        ("GET", "/v1/models/../responses"),
        ("GET", "/v1/models/%2e%2e/responses"),
        ("GET", "/v1/models/..;/responses"),
        ("GET", "/v1/models/x/../../../v1/responses"),
        ("GET", "/v1//responses"),
        ("GET", "//v1/models"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models?limit=1"),
        ("GET", "/v1/models#/../responses"),
        ("GET", "/v1/models\\..\\responses"),
        ("POST", "/v1/models/../../shutdown"),
        ("POST", "/v1/chat/completions/../../../shutdown"),
        ("DELETE", "/v1/responses/resp_1/../resp_2"),
        ("HEAD", "/v1/models"),
        ("OPTIONS", "/v1/chat/completions"),
        ("OPTIONS", "*"),
        ("TRACE", "/v1/models"),
        ("PUT", "/v1/models"),
    ],
)
async def test_not_on_the_list(relay: RelayProcess, foundry: FakeFoundry, method: str, target: str) -> None:
    status, headers, body = await relay.send(request(target, method=method, host=host(relay)))
    assert (status, headers["via"]) == (403, VIA)
    if method != "HEAD":
        assert code_of(body) == "not-allowed"
    assert foundry.requests == []


@pytest.mark.parametrize(
    "raw",
    [
        "GET http://127.0.0.1:{port}/v1/models HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n",
        "GET http://evil.example/v1/models HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n",
        "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /v1/models HTTP/1.0\r\n\r\n",
        "POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}",
        "POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 2\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/responses HTTP/1.1\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX : y\r\nConnection: close\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nX: " + "y" * 20_000 + "\r\n\r\n",
        "GET /v1/models HTTP/2.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n",
        "GET /v1/models HTTP/0.9\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=lambda raw: repr(raw[:40]),
)
async def test_odd_requests(relay: RelayProcess, foundry: FakeFoundry, raw: str) -> None:
    status, headers, body = await relay.send(raw.format(port=relay.port).encode("latin-1"))
    assert status in (400, 403, 421)
    assert headers["via"] == VIA
    assert code_of(body) in ("bad-request", "not-allowed", "host-not-allowed")
    assert foundry.requests == []


async def test_a_refused_request_hides_none_behind_it(relay: RelayProcess, foundry: FakeFoundry) -> None:
    hidden = request("/v1/responses", host=host(relay))
    first = (
        f"POST /shutdown HTTP/1.1\r\nHost: {host(relay)}\r\nContent-Length: {len(hidden)}\r\nConnection: close\r\n\r\n"
    )
    _, _, rest = await relay.send(first.encode() + hidden)
    assert rest.count(b"HTTP/1.1") == 0
    assert foundry.requests == []


@pytest.mark.parametrize("name", ["evil.example:{port}", "localhost", "127.0.0.1:80", "localhost.:{port}", ""])
async def test_a_rebound_name(relay: RelayProcess, foundry: FakeFoundry, name: str) -> None:
    raw = request("/v1/models", f"Host: {name.format(port=relay.port)}")
    status, headers, body = await relay.send(raw)
    assert (status, headers["via"], code_of(body)) == (421, VIA, "host-not-allowed")
    assert foundry.requests == []


@pytest.mark.parametrize("name", ["localhost:{port}", "[::1]:{port}", "host.docker.internal:51211"])
async def test_our_own_names(relay: RelayProcess, foundry: FakeFoundry, name: str) -> None:
    status, _, _ = await relay.send(request("/v1/models", host=name.format(port=relay.port)))
    assert status == 200
    assert len(foundry.requests) == 1


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8080"])
async def test_a_foreign_page(relay: RelayProcess, foundry: FakeFoundry, origin: str) -> None:
    raw = request("/v1/responses", f"Origin: {origin}", method="POST", host=host(relay), body=b"{}")
    status, headers, body = await relay.send(raw)
    assert (status, headers["via"], code_of(body)) == (403, VIA, "origin-not-allowed")
    assert "access-control-allow-origin" not in headers
    assert foundry.requests == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_foreign_page_that_brings_no_origin(relay: RelayProcess, foundry: FakeFoundry, site: str) -> None:
    status, _, body = await relay.send(request("/v1/models", f"Sec-Fetch-Site: {site}", host=host(relay)))
    assert (status, code_of(body)) == (403, "origin-not-allowed")
    assert foundry.requests == []


async def test_a_browser_that_no_page_has_sent(relay: RelayProcess, foundry: FakeFoundry) -> None:
    assert (await relay.send(request("/v1/models", "Sec-Fetch-Site: none", host=host(relay))))[0] == 200
    assert len(foundry.requests) == 1


@pytest.mark.parametrize("tokens", [[], ["wrong"], [""], [TOKEN, TOKEN], [TOKEN + "x"], [TOKEN.upper()]])
async def test_other_doors_need_the_token(relay: RelayProcess, foundry: FakeFoundry, tokens: list[str]) -> None:
    raw = request("/v1/models", *(f"X-Relay-Token: {token}" for token in tokens), host=f"127.0.0.2:{relay.port}")
    status, headers, body = await relay.send(raw, "127.0.0.2")
    assert (status, headers["via"], code_of(body)) == (401, VIA, "relay-token-wrong")
    assert foundry.requests == []


async def test_the_right_token_passes_and_goes_no_further(relay: RelayProcess, foundry: FakeFoundry) -> None:
    raw = request("/v1/models", f"X-Relay-Token: {TOKEN}", "Cookie: other=site", host=f"127.0.0.2:{relay.port}")
    assert (await relay.send(raw, "127.0.0.2"))[0] == 200
    sent = foundry.requests[0]
    assert sent.header("X-Relay-Token") == []
    assert sent.header("Cookie") == []
    assert sent.header("Host") == [f"127.0.0.1:{foundry.port}"]


async def test_the_token_may_come_as_api_key_and_goes_no_further(relay: RelayProcess, foundry: FakeFoundry) -> None:
    raw = request("/v1/models", f"Authorization: bearer {TOKEN}", host=f"127.0.0.2:{relay.port}")
    assert (await relay.send(raw, "127.0.0.2"))[0] == 200
    assert foundry.requests[0].header("Authorization") == []


async def test_an_api_key_beside_the_token_is_passed_on(relay: RelayProcess, foundry: FakeFoundry) -> None:
    headers = (f"X-Relay-Token: {TOKEN}", "Authorization: Bearer the-key")
    assert (await relay.send(request("/v1/models", *headers, host=f"127.0.0.2:{relay.port}"), "127.0.0.2"))[0] == 200
    assert foundry.requests[0].header("Authorization") == ["Bearer the-key"]


@pytest.mark.parametrize("sent", ["Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN} x"])
async def test_another_api_key_lets_nobody_in(relay: RelayProcess, foundry: FakeFoundry, sent: str) -> None:
    raw = request("/v1/models", f"Authorization: {sent}", host=f"127.0.0.2:{relay.port}")
    assert (await relay.send(raw, "127.0.0.2"))[0] == 401
    assert foundry.requests == []


async def test_the_token_does_not_open_the_list(relay: RelayProcess, foundry: FakeFoundry) -> None:
    raw = request("/shutdown", f"X-Relay-Token: {TOKEN}", method="POST", host=f"127.0.0.2:{relay.port}")
    assert (await relay.send(raw, "127.0.0.2"))[0] == 403
    assert foundry.requests == []


@pytest.mark.parametrize("content", [None, "", "\n"])
async def test_no_token_of_our_own_lets_nobody_in(
    relay: RelayProcess, foundry: FakeFoundry, content: str | None
) -> None:
    try:
        if content is None:
            relay.token_file.unlink()
        else:
            state.write_text(relay.token_file, content)
        for given in (TOKEN, ""):
            raw = request("/v1/models", f"X-Relay-Token: {given}", host=f"127.0.0.2:{relay.port}")
            assert (await relay.send(raw, "127.0.0.2"))[0] == 401
        assert (await relay.send(request("/v1/models", host=host(relay))))[0] == 200
    finally:
        state.write_text(relay.token_file, TOKEN)


async def test_a_new_token_counts_at_once(relay: RelayProcess, foundry: FakeFoundry) -> None:
    state.write_text(relay.token_file, "another-token-1234\n")
    try:
        raw = request("/v1/models", "X-Relay-Token: another-token-1234", host=f"127.0.0.2:{relay.port}")
        assert (await relay.send(raw, "127.0.0.2"))[0] == 200
        raw = request("/v1/models", f"X-Relay-Token: {TOKEN}", host=f"127.0.0.2:{relay.port}")
        assert (await relay.send(raw, "127.0.0.2"))[0] == 401
    finally:
        state.write_text(relay.token_file, TOKEN)
    assert len(foundry.requests) == 1


async def test_too_large_by_its_own_word(relay: RelayProcess, foundry: FakeFoundry) -> None:
    raw = f"POST /v1/responses HTTP/1.1\r\nHost: {host(relay)}\r\nContent-Length: 100001\r\nConnection: close\r\n\r\n"
    status, headers, body = await relay.send(raw.encode())
    assert (status, headers["via"], code_of(body)) == (413, VIA, "too-large")
    assert foundry.requests == []


async def test_too_large_without_a_word(relay: RelayProcess, foundry: FakeFoundry) -> None:
    head = (
        f"POST /v1/responses HTTP/1.1\r\nHost: {host(relay)}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    pieces = b"".join(b"%x\r\n%s\r\n" % (60_000, b"a" * 60_000) for _ in range(2))
    status, _, body = await relay.send(head.encode() + pieces + b"0\r\n\r\n")
    assert (status, code_of(body)) == (413, "too-large")
    assert foundry.requests == []  # it began to arrive there, but never as a whole request


async def test_the_limit_itself_passes(relay: RelayProcess, foundry: FakeFoundry) -> None:
    raw = request("/v1/responses", method="POST", host=host(relay), body=b"a" * 100_000)
    assert (await relay.send(raw))[0] == 200
    assert len(foundry.requests[0].body) == 100_000


async def test_who_waits_for_continue_is_told_the_truth(relay: RelayProcess, foundry: FakeFoundry) -> None:
    head = f"POST /v1/responses HTTP/1.1\r\nHost: {host(relay)}\r\nExpect: 100-continue\r\nConnection: close\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(f"{head}Content-Length: 2\r\n\r\n".encode())
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert parse(await reader.read())[0] == 200
    writer.close()
    assert foundry.requests[0].body == b"{}"
    too_large = await relay.send(f"{head}Content-Length: 999999\r\n\r\n".encode())
    assert too_large[0] == 413


async def test_an_encoded_colon_arrives_plain(relay: RelayProcess, foundry: FakeFoundry) -> None:
    target = f"/v1/models/{MODEL.replace(':', '%3A')}"
    assert (await relay.send(request(target, host=host(relay))))[0] == 200
    assert foundry.requests[0].target == f"/v1/models/{MODEL}"


async def test_the_log_knows_who_and_what_but_no_secret(relay: RelayProcess, foundry: FakeFoundry) -> None:
    headers = [f"X-Relay-Token: {TOKEN}", "Authorization: Bearer key-of-the-user", "X-Request-ID: log-test-1"]
    body = b'{"input": "the words of the prompt"}'
    address = f"127.0.0.2:{relay.port}"
    status, answered, _ = await relay.send(
        request("/v1/responses", *headers, method="POST", host=address, body=body), "127.0.0.2"
    )
    assert (status, answered["x-request-id"]) == (200, "log-test-1")
    assert foundry.requests[0].header("X-Request-ID") == ["log-test-1"]
    line = await relay.logged("log-test-1")
    assert line.keys() == {"time", "id", "client", "method", "path", "status", "seconds", "bytes", "cause"}
    assert (line["method"], line["path"], line["status"], line["cause"]) == ("POST", "/v1/responses", 200, None)
    assert line["client"] == "127.0.0.1"
    assert 0 < line["seconds"] < 10
    assert line["bytes"] == int(answered["content-length"])
    await relay.send(request("/v1/models?key=query-secret", "X-Request-ID: log-test-2", host=host(relay)))
    assert (await relay.logged("log-test-2"))["path"] == "/v1/models"
    await relay.send(b"GET /garbage-secret\x00 HTTP/1.1\r\n\r\n")
    everything = (relay.folder / "relay.log").read_text()
    for secret in (TOKEN, "key-of-the-user", "the words of the prompt", "query-secret", "garbage-secret"):
        assert secret not in everything


@pytest.mark.parametrize("given", ["two words", "x" * 129, "a\tb", '"}', ""])
async def test_an_odd_request_id_is_replaced(relay: RelayProcess, foundry: FakeFoundry, given: str) -> None:
    _, headers, _ = await relay.send(request("/status", f"X-Request-ID: {given}", host=host(relay)))
    assert headers["x-request-id"] != given
    assert foundry.requests[0].header("X-Request-ID") == [headers["x-request-id"]]


def test_the_log_is_private(relay: RelayProcess) -> None:
    folder: Path = relay.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "relay.json").stat().st_mode & 0o777 == 0o600
