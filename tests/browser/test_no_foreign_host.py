"""Nobody but the page's own server is asked: by the browser's log of requests, while the page is used."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from browser.chat_page import Chat, anybody, let_in
from browser.open_webui_page import ANSWER_MS, OpenWebUI
from browser.request_log import RequestLog
from fakes.open_webui import Person
from fakes.waiting import wait_until

PICTURE = "http://pictures.example/a.png"
READY_MS = 90_000

# Another server than the page's, asked in the ways that a page has; and whether it may be asked is not the page's word.
ASK_ELSEWHERE = """
(address) => {
  fetch(`http://${address}/fetch`, { mode: "no-cors" }).catch(() => {});
  new Image().src = `http://${address}/image`;
  const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `http://${address}/style` });
  document.head.append(style);
  new WebSocket(`ws://${address}/socket`);
}
"""
WAYS = {"fetch", "image", "style", "socket"}
LINKED = """
() => [...document.querySelectorAll("[href], [src]")]
  .map((each) => each.href?.baseVal ?? each.href ?? each.src)
  .filter((address) => /^(https?|wss?):/.test(address) && new URL(address).host !== location.host)
"""


@pytest.fixture
def context(browser_with_gpu: Browser) -> Iterator[BrowserContext]:
    context = browser_with_gpu.new_context(viewport={"width": 1000, "height": 720})
    context.set_default_timeout(ANSWER_MS)
    yield context
    context.close()


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a server on this machine that is none of ours, and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=16)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def soon(page: Page, condition: Callable[[], bool]) -> None:
    """Wait for it; what the browser tells is taken in while Playwright is asked something."""
    wait_until(lambda: page.evaluate("true") and condition())


def links_elsewhere(page: Page) -> list[str]:
    """What the document itself names: a browser may connect ahead to a host that it is never seen to ask."""
    return [url for url in page.evaluate(LINKED) if not url.startswith(PICTURE)]


def test_the_chat(context: BrowserContext, chat_address: str) -> None:
    log = RequestLog(context)
    chat = Chat(context.new_page(), chat_address)
    assert chat.ask(f"Look at ![this picture]({PICTURE}) and say what $$x^2$$ is.")
    soon(chat.page, lambda: PICTURE in log.refused)
    chat.page.get_by_role("button", name="Readme").click()
    expect(chat.page.get_by_role("dialog")).to_be_visible()
    assert any(url.startswith("ws://") for url in log.urls)
    assert any(url.endswith(".woff2") for url in log.urls)
    assert any("/katex-" in url for url in log.urls)
    assert log.foreign_to(chat_address) == []
    assert links_elsewhere(chat.page) == []


def test_open_webui(context: BrowserContext, somebody: Person) -> None:
    log = RequestLog(context)
    web = OpenWebUI(context.new_page(), somebody)
    web.sign_in()
    web.choose_model()
    answer = web.send(f"Look at ![this picture]({PICTURE}) and say what $x^2$ is.")
    expect(answer).to_have_text(re.compile(r"\w+"), timeout=ANSWER_MS)
    if web.stop_button.count():
        web.stop_button.click()
    expect(web.regenerate_button).to_be_visible(timeout=ANSWER_MS)
    assert any(url.startswith("ws://") for url in log.urls)
    assert log.foreign_to(somebody.page) == []
    assert links_elsewhere(web.page) == []


def test_the_demo(context: BrowserContext, demo_address: str) -> None:
    log = RequestLog(context)
    page = context.new_page()
    page.goto(demo_address)
    expect(page.locator("#measure")).to_be_enabled(timeout=READY_MS)
    page.get_by_label("both side by side", exact=True).check()
    page.get_by_role("button", name="Test digit").click()
    expect(page.locator(".verdict .digit")).to_have_text(["0", "0"], timeout=READY_MS)
    page.get_by_label("Your question").fill("Hello?")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#answer-facts")).to_contain_text("First token", timeout=READY_MS)
    assert any(url.endswith(".wasm") for url in log.urls)
    assert any(url.endswith("/v1/chat/completions") for url in log.urls)
    assert log.foreign_to(demo_address) == []
    assert links_elsewhere(page) == []


@pytest.mark.parametrize("page_of", ["chat_address", "open_webui_address", "demo_address"])
def test_the_log_would_show_it(browser: Browser, page_of: str, elsewhere: str, request: pytest.FixtureRequest) -> None:
    """Without the page's policy, which keeps a browser from asking at all."""
    address = request.getfixturevalue(page_of)
    context = browser.new_context(bypass_csp=True)
    try:
        log = RequestLog(context)
        page = context.new_page()
        let_in(context, anybody())  # else the chat leads on to its sign-in, from under the test
        page.goto(address)
        assert log.foreign_to(address) == []
        page.evaluate(ASK_ELSEWHERE, elsewhere)
        soon(page, lambda: {url.rpartition("/")[2] for url in log.foreign_to(address)} == WAYS)
        assert links_elsewhere(page) == [f"http://{elsewhere}/style"]
    finally:
        context.close()


@pytest.mark.parametrize("page_of", ["chat_address", "open_webui_address", "demo_address"])
def test_the_policy_refuses_it(browser: Browser, page_of: str, elsewhere: str, request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue(page_of)
    context = browser.new_context()
    try:
        log = RequestLog(context)
        page = context.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        let_in(context, anybody())
        page.goto(address)
        page.evaluate(ASK_ELSEWHERE, elsewhere)
        soon(page, lambda: all(any(f"{elsewhere}/{way}" in text for text in told) for way in WAYS))
        assert all("Content Security" in text for text in told if elsewhere in text and "Fetch API" not in text)
        assert log.foreign_to(address) == []
    finally:
        context.close()
