"""What a page in the browser asks for, and of whom: requests, sockets, workers, windows it opens."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, Request

INSIDE_THE_BROWSER = ("about", "blob", "data")


class RequestLog:
    """Everything asked for in a context from now on."""

    def __init__(self, context: BrowserContext) -> None:
        self.urls: list[str] = []
        self.refused: list[str] = []
        """What the page's own policy kept the browser from asking for."""
        context.on("request", lambda request: self.urls.append(request.url))
        context.on("requestfailed", self._failed)
        context.on("page", self._follow)
        for page in context.pages:
            self._follow(page)

    def foreign_to(self, address: str) -> list[str]:
        """What was asked of another origin than that address."""
        own = urlsplit(address).netloc
        asked = [url for url in self.urls if urlsplit(url).scheme not in INSIDE_THE_BROWSER]
        return [url for url in asked if urlsplit(url).netloc != own and url not in self.refused]

    def _follow(self, page: Page) -> None:
        page.on("websocket", lambda socket: self.urls.append(socket.url))

    def _failed(self, request: Request) -> None:
        if request.failure == "csp":
            self.refused.append(request.url)
