"""Talks with the Chainlit front end as its own page does: one question, the answer token by token, a proper end."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import httpx
import socketio
from socketio.exceptions import SocketIOError

from stack.probes.causes import CATALOGUE
from stack.probes.crowd import Asking, came
from stack.probes.refusals import meaning
from stack.probes.report import Outcome, Speed, degraded, failed
from stack.probes.sign_in import LockedOutError, SignInRefusedError
from stack.tools.text import one_line

QUESTION = "Say only: OK"
ENOUGH = 8  # pieces of text: a small model that rambles is stopped there, as a user would stop it
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 90.0
LEAVE_SECONDS = 3.0
REQUEST_SECONDS = 10.0
LOCKED_OUT_SECONDS = 30
MANY = 100  # chats that are asked for at a time
PROBE_ACCOUNT = "probe@localhost"  # as services/chainlit/chat/accounts.py calls it

PLACE = "place_message"  # what the app sends those who stand in its line, with `before` in its metadata
CODE_AT_THE_END = re.compile(r"\*\(([a-z][a-z-]+)\)\*\s*$")  # how the chat app signs its errors

Message = Mapping[str, Any]


@dataclass
class Conversation:
    """One question and what came back."""

    text: str = ""
    pieces: int = 0
    pieces_are_tokens: bool = False
    first_text_seconds: float | None = None
    last_text_seconds: float | None = None
    seconds: float = 0.0
    error: str | None = None  # what the app told the user went wrong
    error_code: str | None = None  # the cause that the app itself names, if any
    ended: bool = False  # the app said that it is done
    stopped: bool = False  # by us, after enough text
    lost: str | None = None  # why the connection ended before the answer did
    chat: str | None = None  # under which id the page keeps it
    before: int | None = None  # who stand before us in the chat's line; None: we don't stand in it
    asking: Asking | None = None  # is told how far it has come

    @property
    def timed_out(self) -> bool:
        """We left, because the answer did not come to its end."""
        return not self.ended and self.lost is None and self.error is None

    def stand(self, before: int | None) -> None:
        """The app says where in its line we are; None: not in it any more."""
        self.before = before
        if self.asking:
            self.asking.stands_in_line(before is not None)

    def take(self, text: str, seconds: float) -> None:
        """Text came, so long after the question."""
        if not text:
            return
        if self.first_text_seconds is None:
            self.first_text_seconds = seconds
            if self.asking:
                self.asking.text_came()
        self.last_text_seconds = seconds
        self.text += text
        self.pieces += 1

    @property
    def speed(self) -> Speed | None:
        """How fast the text came, as far as it shows; None when there was none."""
        if self.first_text_seconds is None or self.last_text_seconds is None:
            return None
        took = self.last_text_seconds - self.first_text_seconds
        rate = (self.pieces - 1) / took if self.pieces_are_tokens and took > 0 else None
        return Speed(self.first_text_seconds, rate)


@dataclass(frozen=True)
class User:
    """Somebody who is signed in.

    Args:
        http: whose base address is the page's, and whose headers go with every request.
        cookie: by which the page knows who it is.
    """

    http: httpx.AsyncClient
    cookie: str

    @classmethod
    async def signed_in(cls, http: httpx.AsyncClient, name: str, password: str) -> User:
        """Sign in as the page does.

        Raises:
            SignInRefusedError: with what the page says.
            LockedOutError: there were too many wrong passwords for that name, or too many sign in at once.
            httpx.HTTPError: there is no page.
        """
        form = {"username": name, "password": password}
        answer = await http.post("/login", data=form, timeout=REQUEST_SECONDS)
        answer.raise_for_status() if answer.is_server_error else None
        said = f"{answer.status_code} {one_line(answer.text, 160)}"
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            wait = answer.headers.get("Retry-After", "")
            raise LockedOutError(said, int(wait) if wait.isdecimal() else LOCKED_OUT_SECONDS)
        if not (answer.is_success and answer.cookies):
            raise SignInRefusedError(said)
        return cls(http, "; ".join(f"{name}={value}" for name, value in answer.cookies.items()))

    async def chats(self, search: str | None = None) -> list[dict[str, Any]]:
        """Those in the side bar, the last used one first.

        Raises:
            httpx.HTTPError: the page does not say.
        """
        body = {"pagination": {"first": MANY}, "filter": {"search": search}}
        answer = await self.call("POST", "/project/threads", body)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    async def forget_chat(self, chat: str) -> None:
        """Delete it."""
        await self.call("DELETE", "/project/thread", {"threadId": chat})

    async def forget_all_chats(self) -> None:
        """Delete every chat of the account.

        Raises:
            httpx.HTTPError: the page does not say which there are.
        """
        while found := await self.chats():
            for each in found:
                await self.forget_chat(str(each["id"]))

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """One call of the page's own interface."""
        return await self.http.request(
            method, path, json=body, headers={"Cookie": self.cookie}, timeout=REQUEST_SECONDS
        )


async def asks_for_a_password(http: httpx.AsyncClient) -> bool:
    """Whether the page lets in only who signs in with a password, as it says itself when it is opened.

    Raises:
        httpx.HTTPError: there is no page.
    """
    answer = await http.get("/auth/config", timeout=REQUEST_SECONDS)
    answer.raise_for_status()
    try:
        found = answer.json()
        return bool(found["requireLogin"] and found["passwordAuth"])
    except (ValueError, KeyError, TypeError):  # a version that tells it otherwise
        return True


async def converse(
    user: User,
    question: str = QUESTION,
    *,
    enough: int = ENOUGH,
    keep: bool = False,
    asking: Asking | None = None,
) -> Conversation:
    """Ask one question in a new chat, read the answer to its end, and delete the chat.

    Args:
        enough: after so many pieces of text the answer is stopped, as a user would stop it.
        keep: leave the chat where it is.
        asking: is told when the first text comes, and when the question stands in the chat's line.

    Raises:
        SocketIOError: the front end did not take the connection.
        TimeoutError: it took the connection and then said nothing.
    """
    session = _Session(question, enough)
    session.seen.asking = asking
    async with socket() as page:
        page.on("*", session.on_event)
        page.on("disconnect", session.on_disconnect)
        return await _converse(page, session, user, keep=keep)


@asynccontextmanager
async def socket() -> AsyncIterator[socketio.AsyncClient]:
    """A client of a page's socket, whose connection does not outlive the block, however far it came."""
    async with aiohttp.ClientSession() as http:  # an own one would stay open when it is cancelled while it connects
        # Ctrl-C is the command's to handle.
        yield socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=http)


async def _converse(page: socketio.AsyncClient, session: _Session, user: User, *, keep: bool) -> Conversation:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await page.connect(
                str(user.http.base_url),
                headers={
                    "Cookie": user.cookie,
                    **{name: user.http.headers[name] for name in ("Host",) if name in user.http.headers},
                },
                auth={
                    "sessionId": str(uuid.uuid4()),
                    "clientType": "webapp",
                    "userEnv": "{}",
                    "chatProfile": "",
                    "threadId": "",
                },
                transports=["websocket"],
                socketio_path="/ws/socket.io",
                wait_timeout=CONNECT_SECONDS,  # one by default: too few on a busy machine
            )
            await page.emit("connection_successful")
            await session.ready.wait()
        await page.emit("client_message", session.client_message())
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await session.enough_or_over.wait()
                if not session.over.is_set():
                    session.seen.stopped = True
                    await page.emit("stop")
                    await session.over.wait()
        session.seen.seconds = session.elapsed()
        return replace(session.seen)  # as it is before we leave, which ends what has not ended
    finally:
        with suppress(TimeoutError, SocketIOError, httpx.HTTPError):
            async with asyncio.timeout(LEAVE_SECONDS):
                if page.connected:
                    await page.emit("stop") if not session.over.is_set() else None
                    # Else Chainlit keeps it for the user to come back. Asked, not told: what is only sent may still lie
                    # here when the connection ends.
                    await page.call("clear_session", timeout=LEAVE_SECONDS)
                await page.disconnect()
                if session.seen.chat and not keep:
                    await user.forget_chat(session.seen.chat)


def judge(seen: Conversation) -> Outcome | None:  # noqa: PLR0911  (one each)
    """What the conversation shows; None when the front end only passed on that something behind it is wrong."""
    quoted = repr(one_line(seen.text, 60))
    if seen.error_code == "busy":
        return degraded("busy", seen.error or "the chat says that it has too much to do")
    if seen.error_code in CATALOGUE and seen.error_code != "unknown":
        return failed(seen.error_code, seen.error or "the chat reports an error")
    if seen.error:
        cause = meaning(seen.error)
        return failed(cause, seen.error) if cause in ("context-too-long", "model-without-tools") else None
    if seen.lost:
        return failed("front-end-down", f"the connection ended during the answer: {seen.lost}")
    if not seen.text.strip() and seen.ended:
        return failed("empty-answer", f"the answer ended with {'whitespace only' if seen.text else 'no text'}")
    if seen.first_text_seconds is None:
        return None
    if not seen.ended:
        return failed("stream-cut", f"{seen.pieces} pieces of text, then nothing up to {seen.seconds:.0f} s: {quoted}")
    end = f"stopped after {seen.pieces} pieces" if seen.stopped else "proper end"
    evidence = f"first text after {seen.first_text_seconds:.2f} s, {end} after {seen.seconds:.2f} s: {quoted}"
    return came(evidence, seen.speed or Speed(seen.first_text_seconds))


@dataclass
class _Session:
    """Sorts Chainlit's events: only what belongs to our question counts, not the opening message."""

    question: str
    enough: int = ENOUGH
    seen: Conversation = field(default_factory=Conversation)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    enough_or_over: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.message_id = str(uuid.uuid4())
        self._thread_id = str(uuid.uuid4())
        self._runs: set[str] = {self.message_id}  # our message, and what the app started because of it
        self._answers: set[str] = set()
        self._place: str | None = None
        self._asked = time.monotonic()

    def elapsed(self) -> float:
        return time.monotonic() - self._asked

    def client_message(self) -> dict[str, Any]:
        self._asked = time.monotonic()
        return {
            "message": {
                "id": self.message_id,
                "threadId": self._thread_id,
                "name": "probe",
                "type": "user_message",
                "output": self.question,
                "createdAt": datetime.now(UTC).isoformat(),
            },
            "fileReferences": [],
        }

    async def on_disconnect(self, reason: str = "") -> None:
        if not self.over.is_set():
            self.seen.lost = reason or "closed by the other side"
        self._end()

    async def on_event(self, event: str, *arguments: Any) -> None:
        self.sort(event, arguments[0] if arguments and isinstance(arguments[0], dict) else {})

    def sort(self, event: str, data: Message) -> None:
        """Take in one event."""
        if event == "clear_call_fn":  # the last that Chainlit says while it sets a session up
            self.ready.set()
        elif event == "first_interaction":
            self.seen.chat = str(data.get("thread_id") or "") or None
        elif event == "stream_token" and data.get("id") in self._answers:
            self._text(str(data.get("token") or ""))
        elif event == "delete_message" and data.get("id") == self._place:
            self.seen.stand(None)
        elif event in ("new_message", "stream_start", "update_message") and data.get("parentId") in self._runs:
            self._message(event, data)

    def _message(self, event: str, message: Message) -> None:
        if message.get("type") == "run":
            self._runs.add(str(message["id"]))
            if event == "update_message" and message.get("end"):
                self._end()
            return
        if message.get("type") == PLACE:
            self._place = str(message["id"])
            self.seen.stand(int((message.get("metadata") or {}).get("before", 0)))
        elif message.get("isError"):
            said = str(message.get("output"))
            self.seen.error = one_line(said, 300)
            code = CODE_AT_THE_END.search(said)
            self.seen.error_code = code[1] if code else None
        elif event == "stream_start":  # what comes whole is a notice of the app's own, not the model's answer
            self._answers.add(str(message["id"]))
            self._text(str(message.get("output") or ""))

    def _text(self, text: str) -> None:
        self.seen.take(text, self.elapsed())
        if self.seen.pieces >= self.enough:
            self.enough_or_over.set()

    def _end(self) -> None:
        self.seen.ended = self.seen.lost is None
        self.over.set()
        self.enough_or_over.set()
