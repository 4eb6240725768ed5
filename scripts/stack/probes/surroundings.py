"""Where the questions are asked from: the host, or a container of the stack. What a check needs to know of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from stack.probes import chat
from stack.probes.crowd import Crowd
from stack.probes.open_webui import User
from stack.probes.report import Outcome

INIT, GATEWAY, CHAINLIT, OPEN_WEBUI = "init", "gateway", "chainlit", "open-webui"
WEBGPU_STATIC, MONITOR = "webgpu-static", "monitor"
HOST = "host"  # as a check's target: what is not in a container
PAGE_SECONDS = 10.0


@dataclass(frozen=True)
class Page:
    """A front end's address, published by the gateway.

    Args:
        headers: sent with every request, such as ``Host`` where the address is not the one that a browser would know.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def client(self) -> httpx.AsyncClient:
        """Asks the page; no proxy stands between."""
        return httpx.AsyncClient(base_url=self.url, headers=dict(self.headers), trust_env=False, timeout=PAGE_SECONDS)


class Surroundings(Protocol):
    """What differs between the host and a container.

    Attributes:
        http: for questions to the model server.
        door: the model server's address, without ``/v1``.
        crowd: all who have the model answer.
        tokens: how long an answer may be, in tokens; None: as long as the page lets it.
    """

    @property
    def http(self) -> httpx.AsyncClient: ...
    @property
    def door(self) -> str: ...
    @property
    def crowd(self) -> Crowd: ...
    @property
    def tokens(self) -> int | None: ...

    def page(self, service: str) -> Page:
        """Where that front end is asked."""

    def names(self, service: str) -> dict[str, str]:
        """What fills the blanks of a fix."""

    async def model_to_ask(self, http: httpx.AsyncClient, base: str) -> str | Outcome:
        """The id of the model that a question goes to, asked at ``base``; or why there is none."""

    async def why_unanswered(self, strange: httpx.HTTPError, asked: str) -> Outcome:
        """What the layers below say when a question, told by ``asked``, came to nothing."""

    async def way_of_the_pages(self) -> Outcome:
        """Whether the model server is reached on the way that the front ends take."""

    async def demo_is_whole(self, http: httpx.AsyncClient) -> Outcome:
        """Whether the files of the WebGPU demo come as they should."""

    async def chat_user(self, http: httpx.AsyncClient) -> chat.User | Outcome:
        """Who asks the chat, signed in; or what is wrong with its container.

        Raises:
            SignInRefusedError: the page knows no such account, or another password.
            LockedOutError: there were too many wrong passwords.
            httpx.HTTPError: there is no page.
        """

    async def open_webui_user(self, http: httpx.AsyncClient) -> User | Outcome:
        """Who asks Open WebUI, signed in; or what is wrong with its container.

        Raises:
            SignInRefusedError: the page knows no such account, or another password.
            LockedOutError: it has signed in too often.
            httpx.HTTPError: there is no page.
        """
