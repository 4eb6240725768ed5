"""One request is one request, however its end is disguised: what is hidden in it is never seen as another.

Each case has an id, and within it a whole second request with an id of its own, one that would pass if it came by
itself. The witness in Foundry Local's place tells what arrived.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from fakes.bombard import Answered, Shot
from fakes.odd_requests import CHUNKED
from fakes.whole_way import DOOR, WholeWay

CHAT = "POST /v1/chat/completions"
LF, CR = "\n", "\r"
HIDDEN = "hidden"

# Here the first request ends before the second begins, by every reading (RFC 9112: an upgrade that is not accepted
# changes nothing, a trailer is no header, a lone LF may end a line, a tunnel that is refused is none): two requests,
# each judged by itself.
TWO = {"websocket", "trailer"}
TWO_AT = {
    "door": set(),
    "page": TWO | {"headers-end-in-bare-lf", "request-in-a-header", "chunk-ends-in-lf"},
    "relay": TWO | {"connect", "connect-path"},
}


def _hidden(host: str) -> str:
    return f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nX-Request-ID: {HIDDEN}-NNNN\r\n\r\n"


def cases(host: str) -> dict[str, str]:
    """Every way to disguise where a request ends, by its name."""
    hidden = _hidden(host)
    size = f"{len(hidden):x}"
    after = f"0\r\n\r\n{hidden}"
    long_hidden = f"Content-Length: {len(hidden)}"
    chunked = "Transfer-Encoding: chunked"
    long = f"Content-Length: {len(after)}"
    upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
    socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA=="

    def put(call: str, *headers: str, body: str = "", name: str = host, version: str = "HTTP/1.1") -> str:
        lines = [f"{call} {version}", f"Host: {name}", "X-Request-ID: case-NNNN", *headers, "", ""]
        return "\r\n".join(lines) + body

    found = {
        "cl-te": put(CHAT, long, chunked, body=after),
        "te-cl": put(CHAT, chunked, "Content-Length: 4", body=f"{size}\r\n{hidden}\r\n0\r\n\r\n"),
        "te-cl-0": put(CHAT, chunked, "Content-Length: 0", body=after),
        "get-cl-te": put("GET /v1/models", long, chunked, body=after),
        "get-cl": put("GET /v1/models", f"Content-Length: {len(hidden)}", body=hidden),
        "get-te": put("GET /v1/models", chunked, body=f"{size}\r\n{hidden}\r\n0\r\n\r\n"),
        "two-lengths": put(CHAT, "Content-Length: 0", f"Content-Length: {len(hidden)}", body=hidden),
        "two-lengths-turned": put(CHAT, f"Content-Length: {len(hidden)}", "Content-Length: 0", body=hidden),
        "length-list": put(CHAT, f"Content-Length: 0, {len(hidden)}", body=hidden),
        "length-plus": put(CHAT, f"Content-Length: +{len(hidden)}", body=hidden),
        "length-hex": put(CHAT, f"Content-Length: 0x{size}", body=hidden),
        "length-octal": put(CHAT, f"Content-Length: 0{len(hidden)}", body=hidden),
        "length-blank": put(CHAT, "Content-Length: 0 1", body=hidden),
        "length-negative": put(CHAT, "Content-Length: -1", body=hidden),
        "length-huge": put(CHAT, "Content-Length: 18446744073709551616", body=hidden),
        "length-nul": put(CHAT, f"Content-Length: 0\0{len(hidden)}", body=hidden),
        "length-space-before-colon": put(CHAT, f"Content-Length : {len(hidden)}", body=hidden),
        "length-underscore": put(CHAT, f"Content_Length: {len(hidden)}", "Content-Length: 0", body=""),
        "length-folded": put(CHAT, f"Content-Length:\r\n {len(hidden)}", body=hidden),
        "te-space-before-colon": put(CHAT, "Transfer-Encoding : chunked", long, body=after),
        "te-folded": put(CHAT, "Transfer-Encoding:\r\n chunked", long, body=after),
        "te-after-fold": put(CHAT, "X-A: b\r\n Transfer-Encoding: chunked", long, body=after),
        "te-after-bare-lf": put(CHAT, f"X-A: b{LF}{chunked}", long, body=after),
        "te-after-bare-cr": put(CHAT, f"X-A: b{CR}{chunked}", long, body=after),
        "te-after-nul": put(CHAT, f"X-A: b\0\r\n{chunked}", long, body=after),
        "te-in-http-1.0": put(CHAT, chunked, body=after, version="HTTP/1.0"),
        "te-named-by-connection": put(CHAT, "Connection: Transfer-Encoding", chunked, long, body=after),
        "headers-end-in-bare-lf": put(CHAT, f"X-A: b{LF}{LF}{hidden}", "Content-Length: 0"),
        "headers-end-in-bare-cr": put(CHAT, f"X-A: b{CR}{CR}{hidden}", "Content-Length: 0"),
        "request-in-a-header": put(CHAT, f"X-A: b{LF}{LF}{hidden.strip()}", "Content-Length: 0"),
        "request-in-the-path": put(f"GET /v1/models%20HTTP/1.1%0d%0aHost:%20x%0d%0a%0d%0a{hidden.split(' H')[0]}"),
        "chunk-extension": put(CHAT, chunked, body=f"0;a={LF}{hidden}\r\n\r\n"),
        "chunk-extension-long": put(CHAT, chunked, body=f"0;{'a' * 9000}\r\n\r\n"),
        "chunk-extension-hidden": put(CHAT, chunked, body=f"2;\n{hidden}\r\n{{}}\r\n0\r\n\r\n"),
        "chunk-ends-in-lf": put(CHAT, chunked, body=f"2{LF}{{}}{LF}0{LF}{LF}{hidden}"),
        "chunk-ends-in-other": put(CHAT, chunked, body=f"2\r\n{{}}xx0\r\n\r\n{hidden}"),
        "chunk-size-hex": put(CHAT, chunked, body=f"0x0\r\n\r\n{hidden}"),
        "chunk-size-negative": put(CHAT, chunked, body=f"-1\r\n\r\n{hidden}"),
        "chunk-size-huge": put(CHAT, chunked, body=f"{'f' * 17}\r\n{hidden}"),
        "chunk-size-wraps": put(CHAT, chunked, body=f"1{'0' * 16}\r\n\r\n{hidden}"),
        "chunk-size-blank": put(CHAT, chunked, body=f" 0\r\n\r\n{hidden}"),
        "trailer": put(CHAT, chunked, body=f"2\r\n{{}}\r\n0\r\nContent-Length: {len(hidden)}\r\n\r\n{hidden}"),
        "h2c": put("GET /v1/models", upgrade, body=f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{hidden}"),
        "h2c-post": put(CHAT, upgrade, f"Content-Length: {len(hidden)}", body=hidden),
        "websocket": put("GET /v1/models", socket, body=hidden),
        "websocket-length": put("GET /v1/models", socket, f"Content-Length: {len(hidden)}", body=hidden),
        "connect": put(f"CONNECT {host}", body=hidden),
        "connect-path": put("CONNECT /v1/models", body=hidden),
        "absolute-form": put(f"GET http://{host}/v1/models", f"Content-Length: {len(hidden)}", body=hidden),
        "absolute-form-of-another": put(f"GET http://{host}/v1/models", long_hidden, name="evil.example", body=hidden),
        "expect": put(CHAT, f"Content-Length: {len(hidden)}", "Expect: 100-continue", body=hidden),
        "expect-odd": put(CHAT, f"Content-Length: {len(hidden)}", "Expect: 200-continue", body=hidden),
        "long-header": put(CHAT, "X-A: " + "a" * 70_000, f"Content-Length: {len(hidden)}", body=hidden),
        "many-headers": put(CHAT, *[f"X-{n}: b" for n in range(2000)], f"Content-Length: {len(hidden)}", body=hidden),
        "forbidden": put("POST /shutdown", f"Content-Length: {len(hidden)}", body=hidden),
    }
    found |= {
        f"te-te-{number}": put(CHAT, f"Transfer-Encoding: {odd}", long, body=after)
        for number, odd in enumerate(CHUNKED)
    }
    found |= {
        f"te-te-twice-{number}": put(CHAT, chunked, f"Transfer-Encoding: {odd}", body=after)
        for number, odd in enumerate(CHUNKED)
    }
    return {name: text.replace("NNNN", f"{number:04}") for number, (name, text) in enumerate(found.items())}


Where = tuple[str, int, str, Callable[[list[Shot]], list[Answered]]]


def _where(way: WholeWay, name: str) -> Where:
    if name == "door":
        return (*DOOR, "host.docker.internal:51211", way.send_inside)
    port = way.relay.port if name == "relay" else way.settings.webgpu_port
    return "127.0.0.1", port, f"127.0.0.1:{port}", way.send


@pytest.mark.parametrize("name", ["door", "page", "relay"])
def test_what_is_hidden_in_a_request_is_no_request(way: WholeWay, name: str) -> None:
    host, port, host_header, send = _where(way, name)
    before = len(way.foundry.requests)
    sent = cases(host_header)
    answers = send([Shot(host, port, text.encode("latin-1"), whole=False) for text in sent.values()])
    arrived = way.foundry.requests[before:]
    ids = [identity for each in arrived for identity in each.header("X-Request-ID")]
    assert len(ids) == len(arrived) == len(set(ids)), "one of them arrived twice"
    names = dict(enumerate(sent))
    seen = {names[int(each.removeprefix(f"{HIDDEN}-"))] for each in ids if each.startswith(HIDDEN)}
    assert seen <= TWO_AT[name]
    assert way.foundry.forbidden(before) == []
    for each in arrived:
        (identity,) = each.header("X-Request-ID")
        assert len(each.header("Content-Length")) + len(each.header("Transfer-Encoding")) <= 1
        assert each.header("Upgrade") == each.header("Expect") == []
        told = re.search(r"Content-Length: 0*([0-9]+)\r\n", sent[names[int(identity.rpartition("-")[2])]])
        whole = told and int(told[1]) == len(each.body)
        assert HIDDEN.encode() not in each.body or whole, "not all of the body, or more"
    assert not [case for case, answer in zip(sent, answers, strict=True) if max(answer.statuses, default=0) >= 500]


@pytest.mark.parametrize("name", ["door", "page", "relay"])
def test_the_hidden_request_would_pass_if_it_came_by_itself(way: WholeWay, name: str) -> None:
    host, port, host_header, send = _where(way, name)
    before = len(way.foundry.requests)
    (answer,) = send([Shot(host, port, _hidden(host_header).encode(), whole=True)])
    assert answer.statuses == [200]
    assert [each.header("X-Request-ID") for each in way.foundry.requests[before:]] == [[f"{HIDDEN}-NNNN"]]


@pytest.mark.parametrize("name", ["door", "page", "relay"])
def test_a_second_request_behind_the_first_is_judged_by_itself(way: WholeWay, name: str) -> None:
    host, port, host_header, send = _where(way, name)
    before = len(way.foundry.requests)
    one = _hidden(host_header)
    two = f"POST /shutdown HTTP/1.1\r\nHost: {host_header}\r\nContent-Length: 0\r\n\r\n"
    (answer,) = send([Shot(host, port, (one + two).encode(), whole=False)])
    assert [each.target for each in way.foundry.requests[before:]] == ["/v1/models"]
    assert answer.statuses == ([200] if name == "door" else [200, 403])
