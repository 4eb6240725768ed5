"""A page of the chat that is open, as the app sees it: ask, attach, set, edit, have it answered again, stop, leave."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import socketio

from stack.probes.chat import socket

CONNECT_SECONDS = 60.0
ANSWER_SECONDS = 600.0
CONVERSATION = ("user_message", "assistant_message", "system_message")

Step = dict[str, Any]
Event = tuple[str, Step]


@dataclass
class Shown:
    """One message on the page."""

    id: str
    type: str
    text: str
    error: bool = False


@dataclass
class Answer:
    """What came of one question. Seconds are from the question on."""

    text: str = ""
    pieces: int = 0
    first_text_seconds: float | None = None
    last_text_seconds: float = 0.0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """The app's own quiet words."""
    asides: list[Step] = field(default_factory=list)
    """Steps of kinds that are no part of the conversation, each time that one was sent or updated."""
    order: list[str] = field(default_factory=list)
    """What happened, each kind of step once or more: sent, updated and taken away."""


class OpenChat:
    """One page, opened by `open_chat`.

    Attributes:
        events: all that the app has said, the pieces of answers aside.
        shown: the messages on the page, in their order.
        buttons: those under the answers.
        settings: the fields of the panel, as it is now.
        answer: what has come of the newest question.
        lost: why the socket ended, if it did.
        presses: the name of the button that is pressed when the app asks something; none of that name: nobody answers.
    """

    def __init__(self, url: str, cookie: str, page: socketio.AsyncClient) -> None:
        self.url = url
        self.events: list[Event] = []
        self.shown: dict[str, Shown] = {}
        self.buttons: dict[str, Step] = {}
        self.settings: list[Step] = []
        self.answer = Answer()
        self.lost: str | None = None
        self.presses = ""
        self._page = page
        self._cookie = {"Cookie": cookie} if cookie else {}
        self._session, self._thread = str(uuid.uuid4()), str(uuid.uuid4())
        self._news = asyncio.Condition()
        self._question = ""
        self._entered: dict[str, Any] = {}
        self._resumes = False
        self._runs: set[str] = set()  # what the app has started because of the question
        self._answers: set[str] = set()
        self._asides: dict[str, str] = {}
        self._asked = 0.0
        self._over = True
        page.on("*", self._on_event)
        page.on("disconnect", self._on_disconnect)

    @property
    def session(self) -> str:
        """The id that the page gave its session."""
        return self._session

    @property
    def messages(self) -> list[Shown]:
        """The conversation, and the app's own words in it."""
        return [message for message in self.shown.values() if message.type in CONVERSATION]

    async def enter(self, persona: str, chat_id: str, headers: Mapping[str, str], *, panel: bool) -> None:
        """Connect, and wait until the page is set up."""
        self._entered = {"headers": {**headers, **self._cookie}, "auth": self._auth(persona, chat_id)}
        await self._connect()
        last = "chat_settings" if panel else "clear_call_fn"  # that Chainlit itself says while it sets a session up
        await self.hears(last)

    async def comes_back(self) -> list[Event]:
        """Lose the connection and make another one, as the page does by itself; returns what the app says to that."""
        before = len(self.events)
        await self._page.disconnect()
        self.lost = None
        self._entered["auth"]["threadId"] = self._entered["auth"]["threadId"] or await self.chat_id()
        await self._connect()
        await self._until(lambda: any(name == "clear_call_fn" for name, _ in self.events[before:]))
        if self._resumes:
            await self._until(lambda: any(name == "resume_thread" for name, _ in self.events[before:]))
        return self.events[before:]

    async def greets_again(self) -> None:
        """Say once more that the connection is there, which brings the chat once more."""
        await self._page.emit("connection_successful")

    async def _connect(self) -> None:
        await self._page.connect(
            self.url,
            **self._entered,
            transports=["websocket"],
            socketio_path="/ws/socket.io",
            wait_timeout=CONNECT_SECONDS,
        )
        await self.greets_again()

    def _auth(self, persona: str, chat_id: str) -> dict[str, str]:
        self._resumes = bool(chat_id)
        return {
            "sessionId": self._session,
            "clientType": "webapp",
            "userEnv": "{}",
            "chatProfile": persona,
            "threadId": chat_id,
        }

    # --- the conversation ---

    async def ask(
        self, question: str, files: Sequence[str] = (), *, name: str = "User", seconds: float = ANSWER_SECONDS
    ) -> Answer:
        """Ask, and read the answer to its end.

        Args:
            files: ids of files that were attached.
            name: under which the page has its user ask.
        """
        await self.begin(question, files, name=name)
        return await self.end(seconds)

    async def begin(
        self, question: str, files: Sequence[str] = (), *, name: str = "User", command: str | None = None
    ) -> None:
        """Ask only.

        Args:
            command: of the button beside the box that the question is written in.
        """
        message = {
            "id": str(uuid.uuid4()),
            "threadId": self._thread,
            "name": name,
            "type": "user_message",
            "output": question,
            "createdAt": datetime.now(UTC).isoformat(),
            **({"command": command} if command else {}),
        }
        self.shown[message["id"]] = Shown(message["id"], "user_message", question)
        self._begin(message["id"])
        await self._page.emit(
            "client_message", {"message": message, "fileReferences": [{"id": file} for file in files]}
        )

    async def end(self, seconds: float = ANSWER_SECONDS) -> Answer:
        """Wait until the app says that it is done."""
        await self._until(lambda: self._over or self.lost is not None, seconds)
        assert self.lost is None, self.lost
        return self.answer

    async def first_text(self) -> None:
        """Wait for it."""
        await self._until(lambda: self.answer.text != "")

    async def edit(self, number: int, text: str) -> Answer:
        """Put another question in that one's place."""
        question = [message for message in self.messages if message.type == "user_message"][number]
        for later in list(self.shown)[list(self.shown).index(question.id) + 1 :]:
            del self.shown[later]
        question.text = text
        self._begin(question.id)
        await self._page.emit("edit_message", {"message": {"id": question.id, "output": text}})
        return await self.end()

    async def again(self) -> Answer:
        """Press the button under the newest answer."""
        (button,) = (each for each in self.buttons.values() if each["name"] == "again")
        self._begin(self._question)
        done = await self._call("POST", "/project/action", json={"sessionId": self._session, "action": button})
        assert done.status_code == 200, done.text
        return await self.end()

    async def stop(self) -> None:
        """Press Stop."""
        await self._page.emit("stop")

    async def chat_id(self) -> str:
        """Under which the app keeps this chat; it has one with its first question."""
        await self.hears("first_interaction")
        return str(self.heard("first_interaction")[0]["thread_id"])

    # --- files and settings ---

    async def upload(self, name: str, data: bytes, kind: str = "text/plain") -> httpx.Response:
        """Send a file as the page does when it is dropped there."""
        of = {"session_id": self._session}
        return await self._call("POST", "/project/file", params=of, files={"file": (name, data, kind)})

    async def attach(self, name: str, data: bytes, kind: str = "text/plain") -> str:
        """The same; returns the file's id, for `ask`."""
        answer = await self.upload(name, data, kind)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def download(self, file: str) -> httpx.Response:
        """Ask for a file that was attached."""
        return await self._call("GET", f"/project/file/{file}", params={"session_id": self._session})

    async def set(self, **values: Any) -> list[Event]:
        """Confirm the panel with these fields changed; returns what came: the panel as it is then, and a word on it."""
        before = len(self.events)
        shown = {each["id"]: each["initial"] for each in self.settings}
        await self._page.emit("chat_settings_change", {**shown, **values})

        def answered() -> bool:
            new = self.events[before:]
            says = any(name == "toast" or data.get("isError") for name, data in new)
            return says and any(name == "chat_settings" for name, _ in new)

        await self._until(answered)
        return self.events[before:]

    # --- what the app says ---

    def heard(self, event: str) -> list[Step]:
        """What came with each event of that kind."""
        return [data for name, data in self.events if name == event]

    async def hears(self, event: str, seconds: float = CONNECT_SECONDS) -> None:
        """Wait for one of that kind."""
        await self._until(lambda: self.heard(event) != [], seconds)

    async def hears_more(self, event: str, than: int) -> None:
        """Wait until there have been more of that kind."""
        await self._until(lambda: len(self.heard(event)) > than)

    async def resumed(self) -> list[Step] | str:
        """The messages of a chat that is opened again; or why it shows none."""
        await self._until(lambda: any(name.startswith("resume_thread") for name, _ in self.events))
        name, said = next(each for each in self.events if each[0].startswith("resume_thread"))
        if name == "resume_thread_error":
            return str(said["said"])
        return [step for step in said["steps"] if step["type"] in CONVERSATION]

    def show_resumed(self) -> None:
        """Have the messages of a chat that was opened again on the page, so that they can be edited."""
        self.shown.clear()
        for step in self.heard("resume_thread")[-1]["steps"]:
            self.shown[step["id"]] = Shown(step["id"], step["type"], step["output"])
            if step["type"] == "user_message":
                self._question = step["id"]

    def _begin(self, question: str) -> None:
        self._question, self._runs, self._answers = question, {question}, set()
        self.answer, self._over, self._asked = Answer(), False, time.perf_counter()

    async def _on_disconnect(self, reason: str = "") -> None:
        async with self._news:
            self.lost = reason or "closed by the other side"
            self._news.notify_all()

    async def _on_event(self, event: str, *arguments: Any) -> Step | None:
        said = arguments[0] if arguments else None
        data = said if isinstance(said, dict) else {"said": said}
        async with self._news:
            if event != "stream_token":
                self.events.append((event, data))
            self._take(event, data)
            self._news.notify_all()
        if event != "ask":
            return None
        return next((each for each in self.buttons.values() if each["name"] == self.presses), None)

    def _take(self, event: str, data: Step) -> None:
        match event:
            case "chat_settings":
                self.settings = data["said"]
            case "new_message" | "stream_start" | "update_message" if data["type"] == "run":
                self._run(event, data)
            case "new_message" | "stream_start" | "update_message":
                self._message(event, data)
            case "stream_token":
                self.shown[data["id"]].text += data["token"]
                if data["id"] in self._answers:
                    self._text(data["token"])
            case "delete_message":
                self.shown.pop(data["id"], None)
                if kind := self._asides.get(data["id"]):
                    self.answer.order.append(f"{kind} taken away")
            case "action":
                self.buttons[data["id"]] = data
            case "remove_action":
                self.buttons.pop(data["id"], None)

    def _run(self, event: str, run: Step) -> None:
        if run.get("parentId") in self._runs:
            self._runs.add(run["id"])
            if event == "update_message" and run.get("end"):
                self.answer.seconds = time.perf_counter() - self._asked
                self._over = True

    def _message(self, event: str, message: Step) -> None:
        which, kind, text = message["id"], str(message["type"]), str(message.get("output") or "")
        self.shown[which] = Shown(which, kind, text, bool(message.get("isError")))
        if kind == "system_message" and event == "new_message":
            self.answer.notices.append(text)
        elif message.get("isError"):
            self.answer.errors.append(text)
        elif kind not in CONVERSATION and message.get("parentId") in self._runs | self._answers:
            self._asides[which] = kind
            self.answer.asides.append(message)
            self.answer.order.append(kind if event == "new_message" else f"{kind} updated")
        elif event == "stream_start" and message.get("parentId") in self._runs:
            self._answers.add(which)
            self.answer.order.append("answer")
            self._text(text)

    def _text(self, text: str) -> None:
        self.answer.last_text_seconds = time.perf_counter() - self._asked
        if self.answer.first_text_seconds is None:
            self.answer.first_text_seconds = self.answer.last_text_seconds
        self.answer.text += text
        self.answer.pieces += 1

    async def _until(self, true: Callable[[], bool], seconds: float = CONNECT_SECONDS) -> None:
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: self.lost is not None or true())
        assert true(), self.lost

    async def _call(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Origin": self.url, **self._cookie}
        async with httpx.AsyncClient(trust_env=False, timeout=CONNECT_SECONDS) as http:
            return await http.request(method, f"{self.url}{path}", headers=headers, **more)


@asynccontextmanager
async def open_chat(
    url: str,
    cookie: str = "",
    *,
    persona: str = "",
    chat_id: str = "",
    headers: Mapping[str, str] | None = None,
    panel: bool = True,
) -> AsyncIterator[OpenChat]:
    """Open the page, and leave it at the end as by a new chat.

    Args:
        cookie: of who has signed in; without one where the app asks nobody who he is.
        persona: the one to begin with.
        chat_id: a chat that is to be opened again.
        headers: more of them for the socket.
        panel: wait until the app has found its model and shows its settings, as a user does who looks first.

    Raises:
        SocketIOError: the app did not take the connection.
    """
    async with socket() as page:
        chat = OpenChat(url, cookie, page)
        try:
            await chat.enter(persona, chat_id, headers or {}, panel=panel)
            yield chat
        finally:
            if page.connected:
                await page.call("clear_session", timeout=CONNECT_SECONDS)  # told by the way, it comes after the leaving
            await page.disconnect()
