"""A chat page that a test may tell things in the app's place, and whether what it shows can be read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from browser.chat_page import Chat
from fakes.node_packages import installed


@dataclass
class StagedChat:
    """A chat where a test may put words in the model's mouth."""

    chat: Chat
    socket: WebSocketRoute

    def hear(self, text: str, **more: object) -> Locator:
        """Send the page an answer as the app would; return it on the page."""
        before = self.chat.from_app.count()
        self.be_told("new_message", type="assistant_message", output=text, **more)
        expect(self.chat.from_app).to_have_count(before + 1)
        return self.chat.from_app.nth(before)

    def be_told(self, event: str, **step: object) -> None:
        """Send the page any step as the app would."""
        always = {"id": "11111111-1111-4111-8111-111111111111", "threadId": "any", "name": "Foundry Local Chat"}
        more = {"createdAt": "2026-01-01T00:00:00Z", "steps": []}
        self.socket.send("42" + json.dumps([event, {**always, **more, **step}]))


def staged(page: Page, address: str) -> StagedChat:
    sockets: list[WebSocketRoute] = []

    def pass_on(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    page.add_init_script("window.transports = ['websocket']")
    page.route_web_socket("**/ws/socket.io/**", pass_on)
    chat = Chat(page, address)
    return StagedChat(chat, sockets[-1])


def load_axe(page: Page) -> None:
    """Before `too_faint` can be asked."""
    page.evaluate((installed() / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))


def too_faint(page: Page) -> list[Any]:
    """Texts with less contrast than WCAG's level AA asks for; axe must have found texts to look at."""
    found = page.evaluate("axe.run({ runOnly: ['color-contrast'] })")
    assert sum(len(rule["nodes"]) for rule in found["passes"]) > 2
    return [(node["html"], node["failureSummary"]) for rule in found["violations"] for node in rule["nodes"]]
