"""What programs ask the chat: /health, /ready and /metrics; and what it does not answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator

import httpx
import pytest
from docker.models.containers import Container

from fakes.chat_people import Person
from fakes.foundry import MODEL
from fakes.page_headers import assert_safe
from fakes.whole_way import WholeWay
from stack.settings import Settings

ASK_INSIDE = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=20)
headers = {"Host": "localhost:8080", **dict(zip(sys.argv[1::2], sys.argv[2::2]))}
connection.request("GET", "/ws/socket.io/?EIO=4&transport=polling", headers=headers)
print(connection.getresponse().status)
"""


@pytest.fixture(scope="module")
def http(settings: Settings) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{settings.chainlit_port}", trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def witnessed(way: WholeWay) -> Iterator[httpx.Client]:
    """The chat of the stack that has a stand-in for Foundry Local."""
    with httpx.Client(base_url=f"http://127.0.0.1:{way.settings.chainlit_port}", trust_env=False, timeout=30) as client:
        yield client


def numbers(http: httpx.Client) -> dict[str, float]:
    """What /metrics counts."""
    lines = [line for line in http.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_health_is_the_process(http: httpx.Client) -> None:
    assert http.get("/health").json() == {"status": "ok"}


def test_ready_names_the_model_that_would_answer(http: httpx.Client, settings: Settings) -> None:
    loaded = httpx.get(f"http://127.0.0.1:{settings.foundry_port}/models/loaded", trust_env=False).json()
    answer = http.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["model"] in loaded
    assert answer.headers["cache-control"] == "no-store"
    assert http.head("/ready").status_code == 200


def not_ready(witnessed: httpx.Client) -> str:
    """The cause that /ready names, while /health knows nothing of it."""
    answer = witnessed.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "not-ready")
    assert "scripts/" in answer.json()["fix"]
    assert answer.headers["cache-control"] == "no-store"
    assert witnessed.get("/health").json() == {"status": "ok"}
    return str(answer.json()["cause"])


def test_not_ready_without_a_model(way: WholeWay, witnessed: httpx.Client) -> None:
    loaded = way.foundry.loaded
    try:
        for without in ([], ["nomic-embed-text-generic-cpu:1"]):
            way.foundry.loaded = without
            assert not_ready(witnessed) == "model-not-loaded"
    finally:
        way.foundry.loaded = loaded
    assert witnessed.get("/ready").json() == {"status": "ready", "model": MODEL}


def test_not_ready_without_foundry(way: WholeWay, witnessed: httpx.Client) -> None:
    way.foundry.habit = "closes"
    try:
        assert not_ready(witnessed) == "foundry-not-running"
    finally:
        way.foundry.habit = "answers"
    assert witnessed.get("/ready").status_code == 200


async def test_metrics_count_and_name_nobody(way: WholeWay, guest: Person, witnessed: httpx.Client) -> None:
    before = await asyncio.to_thread(numbers, witnessed)
    word = secrets.token_hex(8)
    async with guest.opens_the_page() as page:
        answer = await page.ask(f"What is {word}?", name=word)
        assert answer.errors == []
        told = await asyncio.to_thread(witnessed.get, "/metrics")
        now = await asyncio.to_thread(numbers, witnessed)
    assert told.headers["content-type"].startswith("text/plain")
    assert told.headers["cache-control"] == "no-store"
    assert word not in told.text
    grown = {name: now[name] - before.get(name, 0) for name in now if name.startswith("foundry_chat")}
    assert grown['foundry_chat_answers_total{outcome="complete"}'] == 1
    assert grown["foundry_chat_first_token_seconds_count"] == 1
    assert grown['foundry_chat_tokens_total{direction="out"}'] == len(way.foundry.tokens)
    assert grown["foundry_chat_sessions"] == 1
    assert now["foundry_chat_in_line"] == 0


@pytest.mark.parametrize("path", ["/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"])
def test_there_are_no_api_pages(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not-found")


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/docs"])
def test_only_read_and_with_the_pages_headers(http: httpx.Client, path: str) -> None:
    assert http.post(path).status_code == 405
    answer = http.get(path)
    assert "text/html" not in answer.headers["content-type"]
    assert_safe(answer)


@pytest.mark.parametrize(
    ("origin", "status"),
    [([], 200), (["Origin", "http://localhost:8080"], 200), (["Origin", "http://evil.example"], 400)],
)
def test_the_app_itself_opens_its_socket_to_its_own_page_only(
    container: Callable[[str], Container], origin: list[str], status: int
) -> None:
    """The gateway refuses other pages before; the app also runs without it."""
    done = container("chainlit").exec_run(["/opt/venv/bin/python", "-c", ASK_INSIDE, *origin])
    assert done.output.decode().strip() == str(status)
