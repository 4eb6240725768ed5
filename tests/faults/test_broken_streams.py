"""Foundry Local answers its status and has its model, but what comes when it is asked something is no proper answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from fakes.odd_server import Event, OddServer, answer, part
from faults.links import Links
from faults.named import Probed

DONE = "[DONE]"
END = (part(None, "stop"), DONE)
TOO_LONG = (
    "search_options.cc:108 int fl::ValidateGeneratorRequestBudget(int64_t, int, int) request requires 1055 total "
    "tokens (31 input + 1024 output), which exceeds the model's maximum context length of 16 tokens"
)


def error(message: str, **more: object) -> dict[str, object]:
    return {"error": {"message": message, "type": "server_error", "code": None, **more}}


@dataclass(frozen=True)
class Odd:
    """What comes, and what the probe is to say of it.

    Args:
        through_pages: what each front end makes of it is the same.
        everyday: whether it is tried every day.
    """

    cause: str
    events: tuple[Event, ...] = ()
    whole: bytes | None = None
    through_pages: bool = False
    everyday: bool = field(default=False, kw_only=True)


ODD = {
    "200 with an error": Odd("stream-error-event", whole=answer("200 OK", json.dumps(error("out of memory")))),
    "200 with a web page": Odd("unknown", whole=answer("200 OK", "<h1>Welcome</h1>", "text/html")),
    "200 with the answer in one piece": Odd(
        "unknown", whole=answer("200 OK", json.dumps({"choices": [{"message": {"content": "OK"}}]}))
    ),
    "200 with half an object": Odd("unknown", whole=answer("200 OK", '{"choices": [{"mess')),
    "500 with a web page": Odd("unknown", whole=answer("500 Internal Server Error", "<h1>500</h1>", "text/html")),
    "503 with another body": Odd("unknown", whole=answer("503 Service Unavailable", '{"error": "no worker"}')),
    "502 of a proxy": Odd("unknown", whole=answer("502 Bad Gateway", "<h1>502</h1><hr>nginx", "text/html")),
    "404 with a web page": Odd("unknown", whole=answer("404 Not Found", "<h1>404</h1>", "text/html")),
    "404 of the model": Odd(
        "model-unknown", whole=answer("404 Not Found", json.dumps(error("Model not found: No model matching 'x'")))
    ),
    "400 because it is not loaded": Odd(
        "model-not-loaded", whole=answer("400 Bad Request", json.dumps(error("Model not loaded: x")))
    ),
    "400 because it is too long": Odd(
        "context-too-long", whole=answer("400 Bad Request", json.dumps(error(f"Invalid request: {TOO_LONG}")))
    ),
    "too long, in the stream": Odd("context-too-long", (error(TOO_LONG),), through_pages=True, everyday=True),
    "an error at once": Odd("stream-error-event", (error("CUDA failure 700"),), through_pages=True),
    "an error in the midst": Odd("stream-error-event", (part("The"), part(" cat"), error("CUDA failure 700"))),
    "an error that is only text": Odd("stream-error-event", (part("The"), {"error": "it broke"})),
    "noise in the midst": Odd("unknown", (part("The"), "{{{ noise", part(" cat"), *END), everyday=True),
    "half an event at the end": Odd("stream-cut", (part("The"), b'data: {"choices": [{"delta": {"con')),
    "events that are no parts of an answer": Odd("unknown", ({"hello": "world"}, *END)),
    "no finish_reason": Odd("stream-cut", (part("The"), part(" cat"), DONE)),
    "no end": Odd("stream-cut", (part("The"), part(" cat"))),  # which Open WebUI takes for one
    "nothing but the end": Odd("stream-cut", (DONE,)),
    "no text": Odd("empty-answer", END, through_pages=True),
    "whitespace": Odd("empty-answer", (part(" "), part("\n\n"), *END), through_pages=True, everyday=True),
    "thoughts and no word": Odd("empty-answer", (part(None, reasoning_content="Hm."), *END)),
}


@pytest.mark.parametrize(
    "odd", [pytest.param(odd, id=name, marks=() if odd.everyday else pytest.mark.full) for name, odd in ODD.items()]
)
async def test_what_is_no_answer(probed: Probed, links: Links, odd: Odd) -> None:
    async with OddServer() as server:
        if odd.whole is None:
            server.events = odd.events
        server.whole = odd.whole
        with links.foundry_is(server.url):
            await probed.fails("model.answers", odd.cause)
            if odd.through_pages:
                await probed.every_answer_fails(odd.cause)


WELL = {
    "a word in the middle of nothing": ((part("\n"), part(" "), part("OK"), *END), 0.0),
    "comments between": ((b": keep-alive\n\n", part("OK"), b": keep-alive\n\n", *END), 0.0),
    "thoughts before the answer": ((part(None, reasoning_content="Hm."), part("OK"), *END), 0.0),
    "the usage at the end": ((part("OK"), part(None, "stop"), {"choices": [], "usage": {}}, DONE), 0.0),
    "slow but alive": ((part("O"), part("K"), part("."), *END), 1.5),
}


@pytest.mark.full
@pytest.mark.parametrize("how", WELL.values(), ids=WELL)
async def test_an_odd_answer_is_an_answer(probed: Probed, links: Links, how: tuple[tuple[Event, ...], float]) -> None:
    async with OddServer() as server:
        server.events, server.between_seconds = how
        with links.foundry_is(server.url):
            probed.something_happened()
            await probed.is_green()
