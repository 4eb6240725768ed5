"""The monitor's container as the place that the checks ask from."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from monitor.knobs import Knobs
from stack.probes import chat, webgpu
from stack.probes.crowd import LATELY_SECONDS, Crowd
from stack.probes.open_webui import User
from stack.probes.report import Outcome, degraded, failed, ok
from stack.probes.surroundings import CHAINLIT, GATEWAY, OPEN_WEBUI, WEBGPU_STATIC, Page
from stack.probes.upstream import foundry_status, loaded_model

ACCOUNT = "monitor@localhost"  # as each page's accounts.py calls it
SECRETS = Path("/run/secrets")
PORTS = {CHAINLIT: 8080, OPEN_WEBUI: 3000, WEBGPU_STATIC: 5173}  # of the pages, inside the gateway's container
AS_A_BROWSER = {"Host": "localhost"}  # the gateway takes no other name for its pages
TOKENS = 8
WHOLE_DEMO_PARTS = 12  # a whole look at the demo's files is spread over so many runs; its engine alone is 27 MB


class Inside:
    """The private network as `stack.probes.surroundings.Surroundings`. It lasts from run to run.

    Args:
        http: for questions to the model server.
        gateway: the name that leads to it.
    """

    tokens: int | None = TOKENS

    def __init__(self, knobs: Knobs, http: httpx.AsyncClient, gateway: str = GATEWAY, secrets: Path = SECRETS) -> None:
        self._knobs = knobs
        self._http = http
        self._gateway = gateway
        self._secrets = secrets
        self._token: str | None = None
        self.crowd = Crowd(http, lambda: self.door)

    @property
    def http(self) -> httpx.AsyncClient:
        """The monitor's own."""
        return self._http

    @property
    def door(self) -> str:
        """As the front ends know it."""
        return self._knobs.base_url

    def page(self, service: str) -> Page:
        """As the gateway publishes it."""
        return Page(f"http://{self._gateway}:{PORTS[service]}", AS_A_BROWSER)

    def names(self, service: str) -> dict[str, str]:
        """As they are called on the host, where the fixes are to be pasted."""
        return {
            "container": f"{self._knobs.project}-{service}-1",
            "gateway": f"{self._knobs.project}-{GATEWAY}-1",
            "log": f".state/{self._knobs.project}/foundry.log",
            "port": self._knobs.foundry_port,
        }

    async def model_to_ask(self, http: httpx.AsyncClient, base: str) -> str | Outcome:
        """A loaded one that MODEL stands for."""
        try:
            return await loaded_model(http, base, self._knobs.model)
        except httpx.HTTPError as strange:
            return await self.why_unanswered(strange, f"asked {base} for the loaded models")

    async def why_unanswered(self, strange: httpx.HTTPError, asked: str) -> Outcome:
        """What Foundry Local's status says; from here there is nothing below it to ask."""
        status = await foundry_status(self._http, self.door)
        if status.cause not in (None, "unknown"):
            return status
        if isinstance(strange, httpx.TimeoutException) and await self.crowd.are_served(within=LATELY_SECONDS):
            return degraded("busy", f"{asked}: no answer in time, while others got text of theirs")
        return failed("unknown", f"{asked}: {type(strange).__name__} {strange}".strip())

    async def way_of_the_pages(self) -> Outcome:
        """It is the one that is taken here, too."""
        return ok("asked on the way of the front ends")

    async def demo_is_whole(self, http: httpx.AsyncClient) -> Outcome:
        """Its page, and each time other ones of its files; of sources that somebody edits nothing is known here."""
        if self._knobs.from_sources:
            return ok("development mode: its files are not looked at from here")
        return await webgpu.page_is_whole(http, _part(int(time.monotonic() / self._knobs.interval)))

    async def chat_user(self, http: httpx.AsyncClient) -> chat.User:
        """The monitor's own account, without the chats of a run that was ended in its middle."""
        user = await chat.User.signed_in(http, ACCOUNT, self._password_of(CHAINLIT))
        await user.forget_all_chats()
        return user

    async def open_webui_user(self, http: httpx.AsyncClient) -> User:
        """The monitor's own account. It signs in once: Open WebUI takes few sign-ins in a time."""
        user = await User.still_signed_in(http, self._token) if self._token else None
        if user is None:
            user = await User.signed_in(http, ACCOUNT, self._password_of(OPEN_WEBUI))
            self._token = user.token
        await user.forget_all_chats()  # of a run that was ended in its middle, or could not delete its chat in time
        return user

    def _password_of(self, service: str) -> str:
        return (self._secrets / f"{service}-password").read_text(encoding="ascii").strip()


def _part(turn: int) -> Callable[[str], bool]:
    """The files whose turn it is."""

    def wanted(path: str) -> bool:
        number = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big")
        return number % WHOLE_DEMO_PARTS == turn % WHOLE_DEMO_PARTS

    return wanted
