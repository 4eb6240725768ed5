"""A page of another origin can neither read anything of the stack's nor spend the model; by the relay's own log."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, expect

from browser.chat_page import anybody, let_in
from browser.conftest import CHROMIUM, QUIET
from browser.foreign_page import OPEN_WINDOW, TRY_ALL, Elsewhere, elsewhere
from browser.open_webui_page import OpenWebUI
from fakes.open_webui import Person
from fakes.waiting import wait_until
from stack.parts.containers import of_project
from stack.settings import Settings, load
from stack.tools.docker_engine import client

FOREIGN, REBOUND = "foreign.test", "rebound.test"
HERE = ", EXCLUDE 127.0.0.1"
PASSED = {200, 499}
POPUP_MS = 15_000
SPEND = {
    "chainlit_port": "/ws/socket.io/?EIO=4&transport=polling",
    "open_webui_port": "/api/chat/completions",
    "webgpu_port": "/v1/chat/completions",
    "monitor_port": "/readyz",
    "foundry_port": "/v1/chat/completions",
}
ASK_OWN = """
async (body) => {
  const options = { method: "POST", headers: { "Content-Type": "text/plain" }, body };
  const answer = await fetch("/v1/chat/completions", options);
  return [answer.status, await answer.text()];
}
"""
OWN_SOCKET = """
() => new Promise((done) => {
  const socket = new WebSocket(`ws://${location.host}/ws/socket.io/?EIO=4&transport=websocket`);
  socket.onopen = () => { socket.close(); done("open"); };
  socket.onerror = () => done("refused");
})
"""


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load()


@pytest.fixture(scope="module")
def browser_with_names(playwright: Playwright) -> Iterator[Browser]:
    """Two names lead to this machine, as they would by a name server of somebody else's."""
    names = f"MAP {FOREIGN} 127.0.0.1, MAP {REBOUND} 127.0.0.1, "
    flags = [each.replace("rules=", f"rules={names}") + HERE if "resolver" in each else each for each in QUIET]
    chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*flags, "--disable-popup-blocking"])
    yield chromium
    chromium.close()


@pytest.fixture
def context(browser_with_names: Browser) -> Iterator[BrowserContext]:
    context = browser_with_names.new_context()
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture
def other() -> Iterator[Elsewhere]:
    with elsewhere() as server:
        yield server


@pytest.fixture(scope="module")
def question(settings: Settings) -> str:
    """A body that the model answers."""
    present = json.loads((settings.state / "foundry.json").read_text(encoding="utf-8"))
    return json.dumps({"model": present["model"], "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2})


def spent(settings: Settings) -> int:
    """How many requests for an answer the relay has passed on, whole or not."""
    lines = (settings.state / "relay.log").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return sum(entry["method"] == "POST" and entry["status"] in PASSED for entry in entries)


def passed_by_the_gateway(settings: Settings, since: float) -> list[str]:
    """What a page's port answered otherwise than by a refusal since then."""
    (gateway,) = of_project(settings, client(), "gateway")
    lines = gateway.logs(since=since).decode().splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    return [
        f"{entry['method']} {entry['path']}: {entry['status']}"
        for entry in entries
        if entry["port"] != "51211" and entry["status"] not in (403, 421)
    ]


@pytest.fixture
def signed_in(context: BrowserContext, somebody: Person) -> OpenWebUI:
    """So that there is something to be read, and somebody in whose name to ask, in the chat as well."""
    let_in(context, anybody())
    web = OpenWebUI(context.new_page(), somebody)
    web.sign_in()
    return web


@pytest.mark.full
@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("name", ["localhost", FOREIGN])  # another port of the same site, and another site
def test_it_reads_nothing_and_spends_nothing(
    context: BrowserContext, settings: Settings, other: Elsewhere, question: str, name: str
) -> None:
    page = context.new_page()
    page.goto(f"http://{name}:{other.port}/")
    before, since = spent(settings), time.time()
    found = {
        port: page.evaluate(TRY_ALL, {"target": _address(settings, port), "spend": path, "body": question})
        for port, path in SPEND.items()
    }
    for ways in found.values():
        assert len(ways) > 15
        assert {way: end for way, end in ways.items() if end not in ("refused", "sent", "nothing")} == {}
    assert passed_by_the_gateway(settings, since) == []
    assert spent(settings) == before


@pytest.mark.full
def test_the_same_from_the_pages_themselves(context: BrowserContext, settings: Settings, question: str) -> None:
    page = context.new_page()
    for port in ("webgpu_port", "foundry_port"):
        before = spent(settings)
        page.goto(f"{_address(settings, port)}/v1/models" if port == "foundry_port" else _address(settings, port))
        status, text = page.evaluate(ASK_OWN, question)
        assert (status, "choices" in text) == (200, True)
        wait_until(lambda before=before: spent(settings) == before + 1)  # type: ignore[misc]
    for port in ("chainlit_port", "open_webui_port"):
        page.goto(_address(settings, port))
        assert page.evaluate(OWN_SOCKET) == "open"


@pytest.mark.full
def test_the_same_where_nobody_refuses(context: BrowserContext, other: Elsewhere, question: str) -> None:
    """What the page tries does arrive at a server that takes whatever comes."""
    with elsewhere() as naive:
        page = context.new_page()
        page.goto(f"http://{FOREIGN}:{other.port}/")
        tried = {"target": f"http://localhost:{naive.port}", "spend": "/v1/chat/completions", "body": question}
        page.evaluate(TRY_ALL, tried)
        assert naive.arrived.count("POST /v1/chat/completions") >= 5
        wanted = {"GET /", "GET /favicon", "GET /v1/models", "GET /public/look.css"}
        assert wanted <= set(naive.arrived)


@pytest.mark.full
@pytest.mark.parametrize("port", [port for port in SPEND if port != "foundry_port"])
def test_a_window_that_it_opens_is_out_of_its_reach(
    context: BrowserContext, settings: Settings, other: Elsewhere, port: str
) -> None:
    page = context.new_page()
    page.goto(f"http://{FOREIGN}:{other.port}/")
    before = spent(settings)
    with context.expect_page() as opened:
        found = page.evaluate(OPEN_WINDOW, _address(settings, port))
    assert found == {"closed": True, "text": "refused", "frames": 0}
    assert opened.value.evaluate("window.opener") is None
    assert spent(settings) == before
    own = page.evaluate(OPEN_WINDOW, f"http://{FOREIGN}:{other.port}/own")
    assert (own["closed"], own["text"]) == (False, "A page of somebody else's"), "the control itself sees nothing"


@pytest.mark.full
@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(("port", "query"), [("chainlit_port", "prompt=Hello"), ("open_webui_port", "q=Hello")])
def test_a_link_puts_nothing_into_the_users_mouth(
    context: BrowserContext, settings: Settings, other: Elsewhere, port: str, query: str
) -> None:
    address = _address(settings, port)
    page = context.new_page()
    page.goto(f"http://{FOREIGN}:{other.port}/")
    with context.expect_page() as opened:
        page.evaluate("(address) => { window.open(address, '_blank'); }", f"{address}/?{query}")
    field = opened.value.locator("#chat-input")
    expect(field).to_be_visible(timeout=POPUP_MS)
    assert opened.value.url == f"{address}/"
    page.goto(f"{address}/?{query}")  # as typed in
    expect(page.locator("#chat-input")).to_have_text("Hello", timeout=POPUP_MS)
    assert field.inner_text().strip() == ""


@pytest.mark.parametrize("port", SPEND)
def test_a_name_that_is_rebound_to_this_machine(
    browser_with_names: Browser, settings: Settings, question: str, port: str
) -> None:
    page = browser_with_names.new_page(bypass_csp=True)  # a page of theirs would have no policy of ours
    before = spent(settings)
    try:
        answer = page.goto(f"http://{REBOUND}:{getattr(settings, port)}/v1/models")
        assert answer is not None
        assert (answer.status, answer.json()["error"]["code"]) == (421, "host-not-allowed")
        status, text = page.evaluate(ASK_OWN, question)  # the page's own origin now, to the browser
        assert (status, json.loads(text)["error"]["code"]) == (421, "host-not-allowed")
        assert page.evaluate(OWN_SOCKET) == "refused"
    finally:
        page.close()
    assert spent(settings) == before


def _address(settings: Settings, port: str) -> str:
    name = "127.0.0.1" if port == "foundry_port" else "localhost"
    return f"http://{name}:{getattr(settings, port)}"
