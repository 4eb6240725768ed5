"""People at the chat's page, as the page itself talks with the app: over one socket, one question after the other."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from stack.probes.chat import socket

CONNECT_SECONDS = 60.0


@dataclass
class Answer:
    """What came of one question."""

    text: str = ""
    pieces: int = 0
    first_text_seconds: float | None = None
    last_text_seconds: float = 0.0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)
    asides: list[dict[str, Any]] = field(default_factory=list)
    """Steps of kinds that are no part of the conversation, each time that one was sent or updated."""
    order: list[str] = field(default_factory=list)
    """What happened, each kind of step once or more: sent, updated and taken away."""


class User:
    """One open page.

    Attributes:
        lost: why the socket ended, if it did.
    """

    def __init__(self, page: Any, thread_id: str) -> None:
        self._page = page
        self._thread_id = thread_id
        self._ready = asyncio.Event()
        self._over = asyncio.Event()
        self._runs: set[str] = set()
        self._answers: set[str] = set()
        self._asides: dict[str, str] = {}
        self._asked = 0.0
        self.answer = Answer()
        self.lost: str | None = None

    async def ask(self, question: str, *, name: str = "User", seconds: float = 600) -> Answer:
        """Ask, and wait until the app says that it is done."""
        await self.begin(question, name=name)
        return await self.end(seconds)

    async def begin(self, question: str, *, name: str = "User") -> None:
        """Ask only."""
        message_id = str(uuid.uuid4())
        self._over.clear()
        self._runs, self._answers, self.answer = {message_id}, set(), Answer()
        self._asked = time.perf_counter()
        message = {
            "id": message_id,
            "threadId": self._thread_id,
            "name": name,
            "type": "user_message",
            "output": question,
            "createdAt": datetime.now(UTC).isoformat(),
        }
        await self._page.emit("client_message", {"message": message, "fileReferences": []})

    async def end(self, seconds: float = 600) -> Answer:
        """Wait until the app says that it is done."""
        async with asyncio.timeout(seconds):
            await self._over.wait()
        assert self.lost is None, self.lost
        return self.answer

    async def stop(self) -> None:
        """Press Stop."""
        await self._page.emit("stop")

    async def on_disconnect(self, reason: str = "") -> None:
        self.lost = reason or "closed by the other side"
        self._over.set()
        self._ready.set()

    async def on_event(self, event: str, *arguments: Any) -> None:
        data = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
        if event == "clear_call_fn":  # the last that Chainlit says while it sets a session up
            self._ready.set()
        elif event == "stream_token" and data.get("id") in self._answers:
            self._text(str(data.get("token") or ""))
        elif event == "delete_message" and data.get("id") in self._asides:
            self.answer.order.append(f"{self._asides[data['id']]} taken away")
        elif event in ("new_message", "stream_start", "update_message") and data.get("parentId") in (
            self._runs | self._answers
        ):
            self._message(event, data)

    def _message(self, event: str, message: dict[str, Any]) -> None:
        kind = str(message.get("type"))
        if kind == "run":
            self._runs.add(str(message["id"]))
            if event == "update_message" and message.get("end"):
                self.answer.seconds = time.perf_counter() - self._asked
                self._over.set()
        elif message.get("isError"):
            self.answer.errors.append(str(message.get("output")))
        elif kind not in ("assistant_message", "user_message", "system_message"):
            self._asides[str(message["id"])] = kind
            self.answer.asides.append(message)
            self.answer.order.append(kind if event == "new_message" else f"{kind} updated")
        elif event == "stream_start":
            self._answers.add(str(message["id"]))
            self.answer.order.append("answer")
            self._text(str(message.get("output") or ""))

    def _text(self, text: str) -> None:
        self.answer.last_text_seconds = time.perf_counter() - self._asked
        if self.answer.first_text_seconds is None:
            self.answer.first_text_seconds = self.answer.last_text_seconds
        self.answer.text += text
        self.answer.pieces += 1

    async def ready(self) -> None:
        """Wait until the page is set up."""
        async with asyncio.timeout(CONNECT_SECONDS):
            await self._ready.wait()


@asynccontextmanager
async def user(url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[User]:
    """Somebody who opens the page, and closes it at the end."""
    async with socket() as page:
        thread_id = str(uuid.uuid4())
        somebody = User(page, thread_id)
        page.on("*", somebody.on_event)
        page.on("disconnect", somebody.on_disconnect)
        await page.connect(
            url,
            headers=dict(headers or {}),
            auth={
                "sessionId": str(uuid.uuid4()),
                "clientType": "webapp",
                "userEnv": "{}",
                "chatProfile": "",
                "threadId": "",
            },
            transports=["websocket"],
            socketio_path="/ws/socket.io",
            wait_timeout=CONNECT_SECONDS,
        )
        try:
            await page.emit("connection_successful")
            await somebody.ready()
            yield somebody
        finally:
            if page.connected:
                await page.call("clear_session", timeout=CONNECT_SECONDS)
            await page.disconnect()
