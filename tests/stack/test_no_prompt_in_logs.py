"""What users write stands in no log: a word that occurs nowhere else is sent every way there is, well and badly."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable

import httpx
import pytest

from fakes.bombard import Answered, Shot
from fakes.chat_people import first_user
from fakes.foundry import MODEL
from fakes.whole_way import DOOR, WholeWay

Send = Callable[[list[Shot]], list[Answered]]
MARK = "logged-whatever-it-says"


def question(word: str, **more: object) -> bytes:
    messages = [{"role": "user", "content": f"What is a {word}?"}]
    return json.dumps({"model": MODEL, "messages": messages, "user": word, **more}).encode()


def requests_with(word: str, host: str, mark: str) -> list[bytes]:
    """The word in the body, the query, the path, the method and in every header that may be logged somewhere."""
    headers = (
        "User-Agent",
        "Referer",
        "Cookie",
        "Authorization",
        "Accept",
        "Content-Type",
        "X-Word",
        "Accept-Language",
    )
    always = f"Host: {host}\r\nX-Request-ID: {mark}\r\nConnection: close\r\n"
    body = question(word)

    def post(path: str, content: bytes, *extra: str, length: int | None = None) -> bytes:
        lines = "".join(f"{line}\r\n" for line in extra)
        size = len(content) if length is None else length
        return f"POST {path} HTTP/1.1\r\n{always}{lines}Content-Length: {size}\r\n\r\n".encode() + content

    chats = "/v1/chat/completions"
    return [
        post(chats, body),
        post(chats, question(word, stream=True)),
        post(chats, question(word, model=f"no-{word}")),
        post(chats, body[:-5]),
        post(chats, body, *(f"{name}: {word}" for name in headers)),
        post(f"{chats}?q={word}", body),
        post(chats, body, length=40_000_000),
        post(f"/{word}?{word}", body, length=40_000_000),
        post(chats, body, length=len(body) + 5),
        post("/readyz", body),
        f"{word.upper()} /v1/models HTTP/1.1\r\n{always}\r\n".encode(),
        f"GET /v1/models/{word} HTTP/1.1\r\n{always}\r\n".encode(),
        f"GET /{word} HTTP/1.1\r\n{always}\r\n".encode(),
        f"GET /v1/{word}/a?b={word}#{word} HTTP/1.1\r\n{always}\r\n".encode(),
        f"GET /assets/%2e%2e/{word}%00 HTTP/1.1\r\n{always}\r\n".encode(),
        f"GET http://{word}/?{word} HTTP/1.1\r\n{always}\r\n".encode(),
        f"GET /{word} {word} HTTP/1.1\r\n{always}{word}\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\nHost: {word}.example\r\nX-Request-ID: {mark}\r\nConnection: close\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{always}Origin: http://{word}.example\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{always}X-{word}\0: a\r\n\r\n".encode(),
        f"GET / HTTP/1.1\r\n{always}X: {word * 9000}\r\n\r\n".encode(),
        f"GET /?{word * 9000} HTTP/1.1\r\n{always}\r\n".encode(),
        f"{word}\r\n\r\n".encode(),
    ]


def test_a_word_of_a_prompt_is_in_no_log(way: WholeWay) -> None:
    word, knobs = f"zq{secrets.token_hex(6)}", way.settings
    pages = (knobs.chainlit_port, knobs.webgpu_port, knobs.monitor_port, knobs.open_webui_port)
    places = [("127.0.0.1", port, way.send) for port in (*pages, way.relay.port)]
    places += [(*DOOR, way.send_inside), ("monitor", 8000, way.send_inside)]

    def send_to(*named: tuple[str, int, Send]) -> None:
        for host, port, send in named:
            send(
                [Shot(host, port, raw, whole=False) for raw in requests_with(word, f"{host}:{port}", f"{MARK}-{port}")]
            )

    before = len(way.foundry.requests)
    send_to(*places)
    seen = first_user(knobs).ask(f"What is a {word}?", enough=1)
    assert seen.text, seen
    assert any(word.encode() in each.body for each in way.foundry.requests[before:]), "the word never got there"
    try:  # errors are what people log
        way.relay.lead_to("http://127.0.0.1:1")
        send_to(*(place for place in places if place[1] in (DOOR[1], way.relay.port, knobs.webgpu_port)))
        way.service("webgpu-static").pause()
        _ask_in_vain(f"http://127.0.0.1:{knobs.webgpu_port}/{word}?{word}")
    finally:
        way.service("webgpu-static").unpause()
        way.relay.lead_to(way.foundry.url)
    logs = way.logs()
    for name in ("gateway", "relay"):
        assert MARK in logs[name], "it is not this log that has to be looked at"
    assert {name: _around(log, word) for name, log in logs.items() if word in log.lower()} == {}


def _ask_in_vain(address: str) -> None:
    with pytest.raises(httpx.TimeoutException):
        httpx.get(address, timeout=1, trust_env=False)


def _around(log: str, word: str) -> list[str]:
    return [line[:300] for line in log.splitlines() if word in line.lower()][:5]
