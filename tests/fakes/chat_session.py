"""A chat of several questions with the Chainlit front end, as its page leads one: ask, edit, stop, leave."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import socketio

CONNECT_SECONDS = 20
ANSWER_SECONDS = 120


@dataclass
class Shown:
    """One message on the page."""

    id: str
    type: str
    text: str
    error: bool = False


@dataclass
class Answered:
    """What came of one question."""

    text: str
    first_token_seconds: float | None
    seconds: float


@dataclass
class ChatSession:
    """What the page shows, in order, and what its user can do."""

    url: str
    page: socketio.AsyncClient
    http: aiohttp.ClientSession
    session_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    shown: dict[str, Shown] = field(default_factory=dict)
    buttons: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._came = asyncio.Event()
        self._question = ""
        self._answer: str | None = None  # the message that streams
        self._asked = self._first = 0.0
        self.page.on("*", self._on_event)

    @property
    def messages(self) -> list[Shown]:
        """All but the app's own steps."""
        return [message for message in self.shown.values() if message.type.endswith("message")]

    async def open(self) -> None:
        """Load the page."""
        auth = {
            "sessionId": self.session_id,
            "clientType": "webapp",
            "userEnv": "{}",
            "chatProfile": "",
            "threadId": "",
        }
        async with asyncio.timeout(CONNECT_SECONDS):
            await self.page.connect(
                self.url,
                auth=auth,
                transports=["websocket"],
                socketio_path="/ws/socket.io",
                wait_timeout=CONNECT_SECONDS,
            )
            await self.page.emit("connection_successful")
            await self._ready.wait()

    async def ask(self, text: str) -> Answered:
        """Send a message and wait for the end of its answer."""
        await self.send(text)
        return await self.answered()

    async def send(self, text: str) -> None:
        """Send a message."""
        message = {
            "id": str(uuid.uuid4()),
            "threadId": str(uuid.uuid4()),
            "name": "user",
            "type": "user_message",
            "output": text,
            "createdAt": datetime.now(UTC).isoformat(),
        }
        self.shown[message["id"]] = Shown(message["id"], "user_message", text)
        self._begin(message["id"])
        await self.page.emit("client_message", {"message": message, "fileReferences": []})

    async def edit(self, number: int, text: str) -> Answered:
        """Put another question in that one's place."""
        question = [message for message in self.messages if message.type == "user_message"][number]
        for later in list(self.shown)[list(self.shown).index(question.id) + 1 :]:
            del self.shown[later]
        question.text = text
        self._begin(question.id)
        await self.page.emit("edit_message", {"message": {"id": question.id, "output": text}})
        return await self.answered()

    async def again(self) -> Answered:
        """Press the button under the newest answer."""
        (button,) = (each for each in self.buttons.values() if each["name"] == "again")
        self._begin(self._question)
        asked = {"sessionId": self.session_id, "action": button}
        async with self.http.post(f"{self.url}/project/action", json=asked, headers={"Origin": self.url}) as done:
            assert done.status == 200, await done.text()
        return await self.answered()

    async def stop(self) -> None:
        """Press Stop."""
        await self.page.emit("stop")

    async def first_token(self) -> None:
        """Wait for it."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._came.wait()

    async def answered(self) -> Answered:
        """Wait for the end of the answer."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._ended.wait()
        text = self.shown[self._answer].text if self._answer in self.shown else ""
        first = self._first - self._asked if self._first else None
        return Answered(text, first, time.monotonic() - self._asked)

    def _begin(self, question: str) -> None:
        self._question = question
        self._ended.clear()
        self._came.clear()
        self._answer, self._first, self._asked = None, 0.0, time.monotonic()

    async def _on_event(self, event: str, data: Any = None) -> None:
        match event:
            case "clear_call_fn":
                self._ready.set()
            case "new_message" | "update_message" if data["type"] == "run":
                if data["parentId"] == self._question and data.get("end"):
                    self._ended.set()
            case "new_message" | "update_message" | "stream_start":
                message = Shown(data["id"], data["type"], data["output"], bool(data.get("isError")))
                self.shown[message.id] = message
                if event == "stream_start":
                    self._answer, self._first = message.id, time.monotonic()
                    self._came.set()
            case "stream_token":
                self.shown[data["id"]].text += data["token"]
            case "delete_message":
                self.shown.pop(data["id"], None)
            case "action":
                self.buttons[data["id"]] = data
            case "remove_action":
                self.buttons.pop(data["id"], None)


@asynccontextmanager
async def chatting(url: str) -> AsyncIterator[ChatSession]:
    """A chat that is open; at the end its page is closed, as by a new chat."""
    async with aiohttp.ClientSession() as http:
        page = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=http)
        session = ChatSession(url, page, http)
        await session.open()
        try:
            yield session
        finally:
            if page.connected:
                await page.emit("clear_session")
            await page.disconnect()
