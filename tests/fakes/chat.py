"""The chat as somebody who signs in uses it, for tests; blocking, and without a browser."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import socketio
from socketio.exceptions import SocketIOError

from stack.parts import accounts
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
        return self._do(lambda user: _resumed(user, chat_id))

    def ask_as(self, profile: str, question: str) -> str:
        """Begin a chat with that profile, and leave; its id."""
        return self._do(lambda user: _asked_as(user, profile, question))

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

    def _do(self, work: Callable[[chat.User], Coroutine[Any, Any, Result]]) -> Result:
        async def signed_in() -> Result:
            async with self.on_the_page() as user:
                return await work(user)

        return finish(signed_in())


@asynccontextmanager
async def _socket() -> AsyncIterator[socketio.AsyncClient]:
    """The page's, not yet connected; its session is over when the block is."""
    async with chat.socket() as page:
        try:
            yield page
        finally:
            if page.connected:
                await page.emit("clear_session")
            await page.disconnect()


async def _connect(page: socketio.AsyncClient, user: chat.User, chat_id: str = "", profile: str = "") -> None:
    session = {"sessionId": str(uuid.uuid4()), "clientType": "webapp", "userEnv": "{}"}
    await page.connect(
        str(user.http.base_url),
        headers={"Cookie": user.cookie},
        auth={**session, "chatProfile": profile, "threadId": chat_id},
        transports=["websocket"],
        socketio_path="/ws/socket.io",
        wait_timeout=SECONDS,
    )
    await page.emit("connection_successful")


async def _resumed(user: chat.User, chat_id: str) -> list[dict[str, Any]] | str:
    shown: asyncio.Future[list[dict[str, Any]] | str] = asyncio.get_running_loop().create_future()

    async def resumed(thread: dict[str, Any]) -> None:
        shown.set_result([step for step in thread["steps"] if step["type"].endswith("_message")])

    async with _socket() as page, asyncio.timeout(SECONDS):
        page.on("resume_thread", resumed)
        page.on("resume_thread_error", shown.set_result)
        try:
            await _connect(page, user, chat_id)
        except SocketIOError as refusal:
            return str(refusal)
        return await shown


async def _asked_as(user: chat.User, profile: str, question: str) -> str:
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def begins(thread: dict[str, Any]) -> None:
        begun.set_result(str(thread["thread_id"]))

    async with _socket() as page, asyncio.timeout(SECONDS):
        page.on("first_interaction", begins)
        await _connect(page, user, profile=profile)
        message = {"id": str(uuid.uuid4()), "name": "test", "type": "user_message", "output": question}
        at = {"threadId": "", "createdAt": datetime.now(UTC).isoformat()}
        await page.emit("client_message", {"message": {**message, **at}, "fileReferences": []})
        return await begun


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
