"""Talks with Open WebUI as its own page does: sign in, one question, the answer event by event, a proper end."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import socketio

from stack.probes.chat import ANSWER_SECONDS, CONNECT_SECONDS, ENOUGH, LEAVE_SECONDS, QUESTION, Conversation, socket
from stack.probes.crowd import Asking
from stack.probes.sign_in import LockedOutError, SignInRefusedError
from stack.tools.text import one_line

REQUEST_SECONDS = 10.0
DELETE_AGAIN_SECONDS = 0.2
LOCKED_OUT_SECONDS = 240  # it counts by whole minutes, over this one and the three before (its utils/rate_limit.py)
PROBE_ACCOUNT = "probe@localhost"  # made by services/open-webui/accounts.py


@dataclass(frozen=True)
class User:
    """Somebody who is signed in.

    Args:
        http: whose base address is the page's.
    """

    http: httpx.AsyncClient
    token: str

    @classmethod
    async def signed_in(cls, http: httpx.AsyncClient, email: str, password: str) -> User:
        """Sign in as the page does.

        Raises:
            SignInRefusedError: with what the page says, or because the account may do nothing.
            LockedOutError: Open WebUI takes 15 a time, the refused ones included.
            httpx.HTTPError: there is no page.
        """
        answer = await http.post("/api/v1/auths/signin", json={"email": email, "password": password})
        answer.raise_for_status() if answer.is_server_error else None
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            wait = answer.headers.get("Retry-After", "")
            said = f"{answer.status_code} {one_line(answer.text, 160)}"
            raise LockedOutError(said, int(wait) if wait.isdecimal() else LOCKED_OUT_SECONDS)
        try:
            user = cls(http, str(answer.json()["token"]))
        except (ValueError, KeyError, TypeError) as refused:
            raise SignInRefusedError(f"{answer.status_code} {one_line(answer.text, 160)}") from refused
        _refuse_who_waits(answer)
        return user

    @classmethod
    async def still_signed_in(cls, http: httpx.AsyncClient, token: str) -> User | None:
        """Who got this token once; None where the page does not take it any more, as on a new volume.

        Raises:
            SignInRefusedError: the account may do nothing.
            httpx.HTTPError: there is no page.
        """
        user = cls(http, token)
        answer = await user.call("GET", "/api/v1/auths/")
        answer.raise_for_status() if answer.is_server_error else None
        if not answer.is_success:
            return None
        _refuse_who_waits(answer)
        return user

    async def models(self) -> list[str]:
        """The ids that the page offers to choose from, as it asks for them when it is opened.

        Raises:
            httpx.HTTPError: the page does not say what it offers.
        """
        return [str(model["id"]) for model in await self._offered()]

    async def offered_as(self, model: str) -> str | None:
        """What to choose on the page to be answered by the model: it, or one that was made of it; None: nothing.

        Raises:
            httpx.HTTPError: the page does not say what it offers.
        """
        offered = await self._offered()
        made_of_it = (str(each["id"]) for each in offered if _base_of(each) == model)
        return next((str(each["id"]) for each in offered if each["id"] == model), next(made_of_it, None))

    async def _offered(self) -> list[dict[str, Any]]:
        answer = await self.call("GET", "/api/models")
        answer.raise_for_status()
        return [each for each in answer.json()["data"] if not _is_hidden(each)]

    async def forget_chat(self, chat: str) -> None:
        """Delete it; asked again until it is gone, because Open WebUI says 200 `false` where its database was in use.

        Raises:
            httpx.HTTPError: there is no page.
        """
        while (await self.call("DELETE", f"/api/v1/chats/{chat}")).text == "false":
            await asyncio.sleep(DELETE_AGAIN_SECONDS)

    async def forget_all_chats(self) -> None:
        """Delete every chat of the account."""
        await self.call("DELETE", "/api/v1/chats/")

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """One call of the page's own interface."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.http.request(method, path, json=body, headers=headers, timeout=REQUEST_SECONDS)


async def sign_in_is_hidden(http: httpx.AsyncClient) -> bool:
    """Whether the page shows nothing to sign in with.

    Raises:
        httpx.HTTPError: there is no page.
    """
    answer = await http.get("/api/config", timeout=REQUEST_SECONDS)
    try:
        found = answer.json()
        ways, providers = found["features"], found["oauth"]["providers"]
    except (ValueError, KeyError, TypeError):  # a version that tells it otherwise
        return False
    return not (ways.get("enable_login_form", True) or ways.get("enable_ldap") or providers)


async def converse(  # noqa: PLR0913
    user: User,
    model: str,
    question: str = QUESTION,
    *,
    keep: bool = False,
    max_tokens: int | None = None,
    asking: Asking | None = None,
) -> Conversation:
    """Ask one question in a new chat, read the answer to its end, and delete the chat.

    Args:
        keep: leave the chat where it is.
        max_tokens: the longest answer, as a user may set it on the page; None: as the page has it.
        asking: is told when the first text comes.

    Raises:
        SocketIOError: the front end did not take the connection.
        TimeoutError: it took the connection and then said nothing.
        httpx.HTTPError: it did not take the question.
    """
    session = _Session(model, question, max_tokens)
    session.seen.asking = asking
    async with socket() as page:
        page.on("events", session.on_events)
        page.on("disconnect", session.on_disconnect)
        return await _converse(page, session, user, keep=keep)


async def _converse(page: socketio.AsyncClient, session: _Session, user: User, *, keep: bool) -> Conversation:
    asking: asyncio.Task[httpx.Response] | None = None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await page.connect(
                str(user.http.base_url),
                headers={name: user.http.headers[name] for name in ("Host",) if name in user.http.headers},
                auth={"token": user.token},
                transports=["websocket"],
                socketio_path="/ws/socket.io",
                wait_timeout=CONNECT_SECONDS,  # one by default: too few on a busy machine
            )
        asking = asyncio.create_task(user.call("POST", "/api/chat/completions", session.ask(page.get_sid())))
        session.take_receipt(await asyncio.shield(asking))  # whoever is cancelled here must know what to delete
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await session.enough_or_over.wait()
                if not session.over.is_set():
                    session.seen.stopped = True
                    await user.call("POST", f"/api/tasks/chat/{session.chat}/stop")
                    await session.over.wait()
        session.seen.seconds = session.elapsed()
        return replace(session.seen)  # as it is before we leave, which ends what has not ended
    finally:
        with suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(LEAVE_SECONDS):
                if asking and not session.chat:
                    session.take_receipt(await asking)
                if session.chat and not session.over.is_set():
                    await user.call("POST", f"/api/tasks/chat/{session.chat}/stop")
                if session.chat and not keep:
                    await user.forget_chat(session.chat)
                await page.disconnect()


def _refuse_who_waits(answer: httpx.Response) -> None:
    """An account can be signed in and still not be let do anything, until an administrator says so."""
    try:
        role = answer.json().get("role")
    except (ValueError, AttributeError):
        return
    if role == "pending":
        raise SignInRefusedError("the account waits for an administrator to let it in (its role is pending)")


def _is_hidden(model: Mapping[str, Any]) -> bool:
    return bool(((model.get("info") or {}).get("meta") or {}).get("hidden"))


def _base_of(model: Mapping[str, Any]) -> str | None:
    return (model.get("info") or {}).get("base_model_id")


@dataclass
class _Session:
    """Sorts Open WebUI's events: only what belongs to the answer to our question counts."""

    model: str
    question: str
    max_tokens: int | None = None
    seen: Conversation = field(default_factory=lambda: Conversation(pieces_are_tokens=True))
    over: asyncio.Event = field(default_factory=asyncio.Event)
    enough_or_over: asyncio.Event = field(default_factory=asyncio.Event)
    chat: str | None = None

    def __post_init__(self) -> None:
        self.answer_id = str(uuid.uuid4())
        self._question_id = str(uuid.uuid4())
        self._asked = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._asked

    def ask(self, socket_id: str) -> dict[str, Any]:
        """The page's own request for an answer in a new chat, streamed to the socket."""
        self._asked = time.monotonic()
        return {
            "stream": True,
            "model": self.model,
            "session_id": socket_id,
            "id": self.answer_id,
            "parent_id": None,  # a new chat begins
            "user_message": {
                "id": self._question_id,
                "parentId": None,
                "childrenIds": [self.answer_id],
                "role": "user",
                "content": self.question,
                "timestamp": int(time.time()),
                "models": [self.model],
            },
            "params": {"max_tokens": self.max_tokens} if self.max_tokens else {},
            "background_tasks": {"title_generation": True, "tags_generation": True, "follow_up_generation": True},
        }

    def take_receipt(self, answer: httpx.Response) -> None:
        """The page's answer to the request itself; the text comes as events."""
        try:
            self.chat = str(answer.json()["chat_id"])
        except (ValueError, KeyError, TypeError):
            self.seen.error = f"{answer.status_code} {one_line(answer.text, 200)}"
            self._end()

    async def on_disconnect(self, reason: str = "") -> None:
        if not self.over.is_set():
            self.seen.lost = reason or "closed by the other side"
        self._end()

    async def on_events(self, event: Mapping[str, Any]) -> None:
        self.sort(event)

    def sort(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        if event.get("message_id") != self.answer_id:
            return
        kind, data = event["data"].get("type"), event["data"].get("data") or {}
        if kind == "chat:message:error" or (kind == "chat:completion" and data.get("error")):
            error = data.get("error") or {}
            said = error.get("content") or error.get("message") if isinstance(error, dict) else error
            self.seen.error = one_line(str(said), 300)
            self._end()
        elif kind == "response:completion" and data.get("type") == "response.output_text.delta":
            self._text(str(data.get("delta") or ""))
        elif kind == "chat:tasks:cancel" or (kind == "chat:completion" and data.get("done")):
            self._end()

    def _text(self, text: str) -> None:
        self.seen.take(text, self.elapsed())
        if self.seen.pieces >= self._enough:
            self.enough_or_over.set()

    @property
    def _enough(self) -> int:
        """An answer that is short anyway ends by itself: a stop would meet Open WebUI while it stores the end."""
        return 2 * self.max_tokens if self.max_tokens else ENOUGH

    def _end(self) -> None:
        self.seen.ended = self.seen.lost is None
        self.over.set()
        self.enough_or_over.set()
