"""Open WebUI as somebody who signs in uses it, for tests; blocking, and without a browser."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

from stack.parts import accounts
from stack.probes import open_webui
from stack.probes.chat import Conversation
from stack.settings import Settings
from stack.tools.docker_engine import client

Result = TypeVar("Result")


@dataclass
class Person:
    """Somebody who is signed in on the page."""

    page: str
    email: str
    password: str
    _tokens: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the page's own interface; its JSON."""
        answer: httpx.Response = _finish(self._call(method, path, body))
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def status(self, method: str, path: str, body: Any = None) -> int:
        """The same, where it may be refused."""
        return int(_finish(self._call(method, path, body)).status_code)

    def models(self) -> list[str]:
        """What can be chosen."""
        return [str(model["id"]) for model in self.call("GET", "/api/models")["data"]]

    def upload(self, name: str, data: bytes) -> Any:
        """Attach a file, and wait until it is read: what Open WebUI then knows of it."""

        async def send() -> str:
            async with self._http() as http:
                user = await self._signed_in(http)
                sent = await http.post(
                    "/api/v1/files/",
                    params={"process": True, "process_in_background": False},
                    files={"file": (name, data)},
                    headers={"Authorization": f"Bearer {user.token}"},
                )
                assert sent.is_success, f"{sent.status_code} {sent.text[:300]}"
                return str(sent.json()["id"])

        return self.call("GET", f"/api/v1/files/{_finish(send())}")

    def ask(self, question: str, *, keep: bool = False) -> Conversation:
        """Ask in a new chat, over the page's own socket."""

        async def converse() -> Conversation:
            async with self._http() as http:
                user = await self._signed_in(http)
                return await open_webui.converse(user, (await user.models())[0], question, keep=keep)

        return _finish(converse())

    @asynccontextmanager
    async def is_being_answered(self, question: str, *, max_tokens: int) -> AsyncIterator[Conversation]:
        """An answer on its way to the page, for tests that do not block: what has come of it so far.

        Who leaves before its end leaves it to Open WebUI, as somebody who closes the page; the chat is kept.
        """
        async with self._http() as http, open_webui.socket() as page:
            user = await self._signed_in(http)
            session = open_webui._Session((await user.models())[0], question, max_tokens)
            page.on("events", session.on_events)
            page.on("disconnect", session.on_disconnect)
            way = {"transports": ["websocket"], "socketio_path": "/ws/socket.io", "wait_timeout": 60}
            await page.connect(self.page, auth={"token": user.token}, **way)
            session.take_receipt(await user.call("POST", "/api/chat/completions", session.ask(str(page.get_sid()))))
            session.seen.chat = session.chat
            yield session.seen
            await page.disconnect()

    async def _call(self, method: str, path: str, body: Any) -> httpx.Response:
        async with self._http() as http:
            return await (await self._signed_in(http)).call(method, path, body)

    async def _signed_in(self, http: httpx.AsyncClient) -> open_webui.User:
        if self.password not in self._tokens:
            self._tokens[self.password] = (await open_webui.User.signed_in(http, self.email, self.password)).token
        return open_webui.User(http, self._tokens[self.password])

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.page, trust_env=False, timeout=60)


def administrator(settings: Settings) -> Person:
    """The first account, with the password that was made at first start."""
    account = accounts.OPEN_WEBUI
    password = accounts.first_password(settings, client(), account)
    return Person(f"http://localhost:{settings.open_webui_port}", account.user, password)


def extras(admin: Person) -> set[bool]:
    """Whether what costs more than one completion a message is on: all of it, none, or some."""
    tasks = admin.call("GET", "/api/v1/tasks/config")
    metadata = admin.call("GET", "/api/v1/configs/models")["DEFAULT_MODEL_METADATA"]
    names = [f"ENABLE_{name}_GENERATION" for name in ("TITLE", "TAGS", "FOLLOW_UP", "AUTOCOMPLETE")]
    return {metadata["capabilities"]["builtin_tools"], *(bool(tasks[name]) for name in names)}


@contextmanager
def second_person(admin: Person) -> Iterator[Person]:
    """A user whom the administrator adds, gone afterwards."""
    person = Person(admin.page, f"{uuid.uuid4().hex[:8]}@localhost", uuid.uuid4().hex)
    form = {"name": "Second", "email": person.email, "password": person.password, "role": "user"}
    added = admin.call("POST", "/api/v1/auths/add", form)
    try:
        yield person
    finally:
        admin.call("DELETE", f"/api/v1/users/{added['id']}")


def _finish(work: Coroutine[Any, Any, Result]) -> Result:
    """Its result; in a thread, because Playwright keeps a loop running in the one that asks."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work)).result()


def completions(settings: Settings) -> int:
    """How many completions the relay has passed on so far."""
    log = Path(settings.state / "relay.log").read_text(encoding="utf-8")
    lines = (json.loads(line) for line in log.splitlines() if line.startswith("{"))
    return sum(line["path"] == "/v1/chat/completions" for line in lines)
