"""The chat's page: what can be done on it, and what can be seen."""

from __future__ import annotations

import re
from functools import lru_cache

from playwright.sync_api import BrowserContext, FilePayload, Locator, Page, expect

from fakes.chat_people import Person, first_user
from stack.settings import load

ANSWER_MS = 60_000
OPEN_MS = 30_000


@lru_cache(maxsize=1)
def anybody() -> Person:
    """Somebody who may sign in, where it does not matter who."""
    return first_user(load())


def let_in(context: BrowserContext, person: Person) -> None:
    """Have the browser know the page as one where that person has signed in."""
    name, _, value = person.signed_in().partition("=")
    context.add_cookies([{"name": name, "value": value, "url": person.page, "httpOnly": True, "sameSite": "Strict"}])


def sign_in(page: Page, address: str, person: Person) -> None:
    """By the form, as a person does."""
    page.goto(address)
    page.locator("#email").fill(person.name)
    page.locator("#password").fill(person.password)
    page.get_by_role("button", name="Sign In").click()


class Chat:
    """The chat, opened by somebody who is signed in, and told which model answers."""

    def __init__(self, page: Page, address: str, who: Person | None = None) -> None:
        self.page = page
        let_in(page.context, who or anybody())
        page.goto(address)
        expect(self.notice).to_be_visible(timeout=OPEN_MS)

    @property
    def notice(self) -> Locator:
        """The line that says which model answers."""
        return self.notices.first

    @property
    def notices(self) -> Locator:
        """All that the app says quietly."""
        return self.page.locator('[data-step-type="system_message"]')

    @property
    def from_app(self) -> Locator:
        """Answers and errors."""
        return self.page.locator('[data-step-type="assistant_message"]')

    @property
    def from_user(self) -> Locator:
        """Questions."""
        return self.page.locator('[data-step-type="user_message"]')

    @property
    def figures(self) -> Locator:
        """What answers took: the line under each."""
        return self.page.locator('[data-step-type="figures_message"]')

    @property
    def side_bar(self) -> Locator:
        """The chats that are kept."""
        return self.page.locator("#thread-history")

    def kept(self, name: str | re.Pattern[str]) -> Locator:
        """One of them."""
        return self.side_bar.get_by_role("listitem").filter(has_text=name)

    @property
    def stop_button(self) -> Locator:
        return self.page.locator("#stop-button")

    @property
    def toast(self) -> Locator:
        """What appears in a corner for a moment."""
        return self.page.locator("[data-sonner-toast]")

    def choose(self, *files: FilePayload) -> None:
        """Choose files as with the button beside the text."""
        self.page.locator("#upload-button-input").set_input_files(files)

    def attach(self, *files: FilePayload) -> None:
        """The same; done when they are there."""
        self.choose(*files)
        for file in files:
            expect(self.page.get_by_text(file["name"])).to_be_visible()
        expect(self.page.locator("#upload-button-loading")).to_have_count(0)

    def open_settings(self) -> Locator:
        """Open the panel of settings."""
        self.page.locator("#chat-settings-open-modal").click()
        panel = self.page.locator("#chat-settings")
        expect(panel).to_be_visible()
        return panel

    def confirm_settings(self) -> None:
        """Confirm the panel of settings."""
        self.page.locator("#confirm").click()
        expect(self.page.locator("#chat-settings")).to_have_count(0)

    def send(self, text: str) -> Locator:
        """Send a message and return the place where the answer will be."""
        before = self.from_app.count()
        self.page.locator("#chat-input").fill(text)
        self.page.locator("#chat-submit").click()
        return self.from_app.nth(before)

    def ask(self, text: str) -> str:
        """Send a message and return the finished answer."""
        answer = self.send(text)
        expect(answer).to_be_visible(timeout=ANSWER_MS)
        expect(self.stop_button).to_have_count(0, timeout=ANSWER_MS)
        return self.words(answer)

    @staticmethod
    def words(answer: Locator) -> str:
        """An answer without the buttons under it."""
        return answer.locator(".message-content").inner_text()
