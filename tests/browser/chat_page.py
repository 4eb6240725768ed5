"""The chat's page: what can be done on it, and what can be seen."""

from __future__ import annotations

from playwright.sync_api import FilePayload, Locator, Page, expect

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
        return answer.inner_text()
