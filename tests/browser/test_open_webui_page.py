"""Open WebUI as a user sees it: signs in, chooses the model, reads, stops, comes back; and nobody else is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
import stamina
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import Error as PlaywrightError

from fakes.open_webui import Person, administrator, completions, second_person
from fakes.waiting import wait_until
from stack.settings import Settings, load

Look = Callable[[str], None]
ANSWER_MS = 60_000
SOON_MS = 20_000  # for a page that a busy machine serves
LONG = "Write a long story about a sailor and the sea."


class OpenWebUI:
    """What can be done on the page, and what can be seen."""

    def __init__(self, page: Page, person: Person) -> None:
        self.page = page
        self.person = person
        self.asked: set[str] = set()
        page.on("request", lambda request: self.asked.add(request.url))
        page.on("console", lambda message: print(message.text))  # shown where a test fails
        page.on("pageerror", lambda error: print(f"error: {error}"))
        page.on("websocket", lambda socket: self.asked.add(socket.url))

    @property
    def answers(self) -> Locator:
        return self.page.locator("#response-content-container")

    @property
    def stop_button(self) -> Locator:
        return self.page.get_by_role("button", name="Stop", exact=True)

    @property
    def regenerate_button(self) -> Locator:
        """Below an answer that has ended."""
        return self.page.get_by_role("button", name="Regenerate")

    def open(self) -> None:
        """Load the page, up to a few times: Chromium drops what it is loading when a network of the machine changes.

        That happens when any container starts, and the page then stays with an error.
        """
        email = self.page.locator("#email")
        for attempt in stamina.retry_context((AssertionError, PlaywrightError), attempts=12, timeout=120, wait_max=2):
            with attempt:
                self.page.goto(self.person.page)
                expect(email.or_(self.page.get_by_text("500: Internal Error"))).to_be_visible(timeout=SOON_MS)
                expect(email).to_be_visible(timeout=100)

    def sign_in(self) -> None:
        self.open()
        self.page.locator("#email").fill(self.person.email)
        self.page.locator("#password").fill(self.person.password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.locator("#chat-input")).to_be_visible(timeout=SOON_MS)

    def choose_model(self) -> str:
        """Open the list, take the first one, and return its name."""
        self.page.locator("#model-selector-model-button").click()
        first = self.page.get_by_role("option").first
        name = first.inner_text().split("\n")[0].strip()
        first.click()
        expect(self.page.locator("#model-selector-model-button")).to_have_attribute(
            "aria-label", re.compile(re.escape(name))
        )
        return name

    def send(self, text: str) -> Locator:
        """Send a message and return the place of its answer."""
        before = self.answers.count()
        self.page.locator("#chat-input").click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")
        return self.answers.nth(before)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load()


@pytest.fixture(scope="module")
def admin(settings: Settings) -> Person:
    return administrator(settings)


@pytest.fixture
def somebody(admin: Person) -> Iterator[Person]:
    with second_person(admin) as person:
        yield person


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


def test_nobody_but_the_page_is_asked(web: OpenWebUI) -> None:
    refused: list[str] = []
    web.page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    web.choose_model()
    answer = web.send("Look at ![this picture](http://pictures.example/a.png) and say what $x^2$ is.")
    expect(answer).to_have_text(re.compile(r"\w+"), timeout=ANSWER_MS)
    if web.stop_button.count():
        web.stop_button.click()
    expect(web.regenerate_button).to_be_visible(timeout=ANSWER_MS)
    own = urlsplit(web.person.page).netloc
    network = {url for url in web.asked if urlsplit(url).scheme not in ("data", "blob")}
    assert any(url.startswith("ws://") for url in network)
    foreign = {url for url in network if urlsplit(url).netloc != own}
    assert all("pictures.example" in url for url in foreign)  # that one the message itself names, and
    assert any("pictures.example" in line for line in refused)  # the browser may not fetch it
