"""The chat's page: what can be done on it, and what can be seen."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

ANSWER_MS = 60_000


class Chat:
    """The chat, opened, and told which model answers."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.goto(address)
        expect(self.notice).to_be_visible(timeout=30_000)

    @property
    def notice(self) -> Locator:
        """The line that says which model answers."""
        return self.page.locator('[data-step-type="system_message"]')

    @property
    def from_app(self) -> Locator:
        """Answers and errors."""
        return self.page.locator('[data-step-type="assistant_message"]')

    @property
    def stop_button(self) -> Locator:
        return self.page.locator("#stop-button")

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
        return answer.inner_text()
