"""Open WebUI's page: what can be done on it, and what can be seen."""

from __future__ import annotations

import re
from collections.abc import Sequence

import stamina
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import FilePayload, Locator, Page, expect

from fakes.open_webui import Person
from fakes.waiting import wait_until

ANSWER_MS = 60_000
SOON_MS = 20_000  # for a page that a busy machine serves


class OpenWebUI:
    """What can be done on the page, and what can be seen."""

    def __init__(self, page: Page, person: Person) -> None:
        self.page = page
        self.person = person
        page.on("console", lambda message: print(message.text))  # shown where a test fails
        page.on("pageerror", lambda error: print(f"error: {error}"))

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

    def attach(self, files: Sequence[FilePayload]) -> None:
        """Attach files, and wait until the page has their text."""
        with self.page.expect_response(re.compile(r"/api/v1/files/")):
            self.page.locator("input[type=file][multiple]").first.set_input_files(files)
        for file in files:
            expect(self.page.get_by_role("button", name=file["name"])).to_be_visible(timeout=SOON_MS)
        wait_until(lambda: len(self._read_files()) == len(files), seconds=SOON_MS / 1000)

    def _read_files(self) -> list[str]:
        listed = self.person.call("GET", "/api/v1/files/")["items"]
        return [each["filename"] for each in listed if each["data"]["status"] == "completed"]

    def send(self, text: str) -> Locator:
        """Send a message and return the place of its answer."""
        before = self.answers.count()
        self.page.locator("#chat-input").click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")
        return self.answers.nth(before)
