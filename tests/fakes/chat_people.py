"""Who may sign in to the chat, and what he can do on its page; blocking where not said otherwise, without a browser."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from socketio.exceptions import SocketIOError

from fakes.open_chat import OpenChat, open_chat
from stack.parts import accounts, containers, made_secrets
from stack.probes import chat
from stack.probes.chat import Conversation
from stack.settings import Settings
from stack.tools.docker_engine import client

Result = TypeVar("Result")
SECONDS = 60.0


@dataclass
class Person:
    """Somebody who may sign in to the page."""

    page: str
    name: str
    password: str
    cookie: str = ""

    def signed_in(self) -> str:
        """The cookie of who has signed in."""

        async def nothing(user: chat.User) -> str:
            return user.cookie

        return str(self._do(nothing))

    def ask(self, question: str, *, enough: int = 100_000) -> Conversation:
        """Ask in a new chat, which is kept."""

        async def converse(user: chat.User) -> Conversation:
            return await chat.converse(user, question, enough=enough, keep=True)

        return self._do(converse)

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """One call of the page's own interface, or of ours."""

        async def call(user: chat.User) -> httpx.Response:
            return await user.call(method, path, body)

        return self._do(call)

    def chats(self, search: str | None = None) -> list[dict[str, Any]]:
        """Those in the side bar."""
        return self._do(lambda user: user.chats(search))

    def messages(self, chat_id: str) -> list[dict[str, Any]]:
        """What was said in the chat."""
        answer = self.call("GET", f"/project/thread/{chat_id}")
        assert answer.is_success, answer.text
        return [step for step in answer.json()["steps"] if step["type"].endswith("_message")]

    def opened(self, chat_id: str) -> list[dict[str, Any]] | str:
        """The messages that the page shows when the chat is opened again; or why it shows none."""
        return finish(self._opened(chat_id))

    def ask_as(self, profile: str, question: str) -> str:
        """Begin a chat with that profile, and leave; its id."""
        return finish(self._asked_as(profile, question))

    def forget(self) -> None:
        """Delete all chats."""
        self._do(lambda user: user.forget_all_chats())

    @asynccontextmanager
    async def on_the_page(self) -> AsyncIterator[chat.User]:
        """The same for tests that do not block: signed in, once."""
        async with httpx.AsyncClient(base_url=self.page, trust_env=False, timeout=SECONDS) as http:
            if not self.cookie:
                self.cookie = (await chat.User.signed_in(http, self.name, self.password)).cookie
            yield chat.User(http, self.cookie)

    @asynccontextmanager
    async def opens_the_page(
        self, *, persona: str = "", chat_id: str = "", headers: Mapping[str, str] | None = None, panel: bool = True
    ) -> AsyncIterator[OpenChat]:
        """The page itself, signed in and open, for tests that do not block; see `open_chat`."""
        async with (
            self.on_the_page() as user,
            open_chat(self.page, user.cookie, persona=persona, chat_id=chat_id, headers=headers, panel=panel) as page,
        ):
            yield page

    async def _opened(self, chat_id: str) -> list[dict[str, Any]] | str:
        try:
            async with self.opens_the_page(chat_id=chat_id, panel=False) as page:
                return await page.resumed()
        except SocketIOError as refusal:
            return str(refusal)

    async def _asked_as(self, profile: str, question: str) -> str:
        async with self.opens_the_page(persona=profile) as page:
            await page.begin(question)
            return await page.chat_id()

    def _do(self, work: Callable[[chat.User], Coroutine[Any, Any, Result]]) -> Result:
        async def signed_in() -> Result:
            async with self.on_the_page() as user:
                return await work(user)

        return finish(signed_in())


def finish(work: Coroutine[Any, Any, Result]) -> Result:
    """Its result; in a thread, because Playwright keeps a loop running in the one that asks."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work)).result()


def address(settings: Settings) -> str:
    """The page's."""
    return f"http://localhost:{settings.chainlit_port}"


def first_user(settings: Settings) -> Person:
    """The account that the stack was born with."""
    return Person(address(settings), accounts.CHAT.user, accounts.first_password(settings, client(), accounts.CHAT))


def the_probe(settings: Settings) -> Person:
    """The account under which the probe asks."""
    init = containers.run_once(settings, client(), "init")
    return Person(address(settings), chat.PROBE_ACCOUNT, made_secrets.read(init, "chainlit", "probe-password"))


@contextmanager
def another_user(settings: Settings) -> Iterator[Person]:
    """Somebody whom `scripts/users.py` adds, gone afterwards with all chats."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    person = Person(address(settings), name, accounts.add(settings, client(), name))
    try:
        yield person
    finally:
        if name in accounts.names(settings, client()):
            accounts.remove(settings, client(), name)
