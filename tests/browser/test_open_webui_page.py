"""Open WebUI as a user sees it: signs in, chooses the model, reads, stops, comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.open_webui_page import ANSWER_MS, SOON_MS, OpenWebUI
from fakes.open_webui import Person, completions
from fakes.waiting import wait_until
from stack.settings import Settings, load

Look = Callable[[str], None]
LONG = "Write a long story about a sailor and the sea."


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load()


@pytest.fixture
def web(page: Page, somebody: Person) -> OpenWebUI:
    """The page in the browser of somebody who has just signed in."""
    web = OpenWebUI(page, somebody)
    web.sign_in()
    return web


def test_the_administrator_signs_in_with_the_first_password(page: Page, admin: Person, look: Look) -> None:
    web = OpenWebUI(page, admin)
    web.open()
    look("sign-in")
    assert page.get_by_text("Sign up").count() == 0
    web.sign_in()
    expect(page.get_by_text("What's New")).to_have_count(0)
    look("signed-in")


def test_a_wrong_password_is_told(page: Page, somebody: Person) -> None:
    OpenWebUI(page, somebody).open()
    page.locator("#email").fill(somebody.email)
    page.locator("#password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text(re.compile("incorrect", re.IGNORECASE))).to_be_visible(timeout=SOON_MS)


def test_an_answer_streams_from_the_chosen_model(settings: Settings, web: OpenWebUI, look: Look) -> None:
    model = web.choose_model()
    assert model in web.person.models()
    look("model")
    before = completions(settings)
    answer = web.send("What is the capital of France?")
    expect(answer).to_have_text(re.compile("Paris"), timeout=ANSWER_MS)
    expect(web.regenerate_button).to_be_visible(timeout=ANSWER_MS)
    look("answer")
    answer = web.send("And of Germany?")  # means nothing without the question before it
    expect(answer).to_have_text(re.compile("Berlin"), timeout=ANSWER_MS)
    expect(web.regenerate_button).to_have_count(2, timeout=ANSWER_MS)
    wait_until(lambda: completions(settings) >= before + 2)
    assert completions(settings) == before + 2, "one message, one completion"


def test_text_appears_before_the_answer_is_over_and_stop_keeps_it(
    settings: Settings, web: OpenWebUI, look: Look
) -> None:
    answer = web.send(LONG)
    expect(answer).to_have_text(re.compile(r"\w+ \w+ \w+"), timeout=ANSWER_MS)
    web.stop_button.click()
    expect(web.stop_button).to_have_count(0, timeout=SOON_MS)
    expect(answer).to_have_text(re.compile(r"\w+ \w+ \w+"))
    look("stopped")
    log = settings.state / "relay.log"
    wait_until(lambda: json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["cause"] == "client-left")
    stopped = answer.inner_text()
    web.page.reload()
    expect(web.answers.first).to_have_text(re.compile(re.escape(stopped[:20])), timeout=SOON_MS)


@pytest.mark.full
def test_a_chat_is_there_after_a_reload_and_nobody_else_sees_it(
    browser: Browser, web: OpenWebUI, admin: Person, look: Look
) -> None:
    expect(web.send("What is the capital of France?")).to_have_text(re.compile("Paris"), timeout=ANSWER_MS)
    expect(web.page).to_have_url(re.compile(r"/c/[0-9a-f-]{36}$"), timeout=SOON_MS)
    address = web.page.url
    web.page.goto(web.person.page)
    web.page.get_by_role("button", name="Open Sidebar").first.click()
    web.page.locator("#sidebar-chats-content").get_by_text("What is the capital of France?").click()
    expect(web.page).to_have_url(address, timeout=SOON_MS)
    expect(web.answers.first).to_have_text(re.compile("Paris"), timeout=SOON_MS)
    look("found-again")

    theirs = browser.new_page()
    try:
        other = OpenWebUI(theirs, admin)
        other.sign_in()
        theirs.goto(address)
        expect(theirs).not_to_have_url(address, timeout=SOON_MS)
        expect(theirs.locator("#chat-input")).to_be_visible(timeout=SOON_MS)
        expect(other.answers).to_have_count(0)
        expect(theirs.get_by_text(re.compile(r"\bParis\b"))).to_have_count(0)
        listed = admin.call("GET", "/api/v1/chats/")
        assert address.rpartition("/")[2] not in {chat["id"] for chat in listed}
    finally:
        theirs.close()
