"""Somebody at the chat's page, as its server sees him: attaches files, changes the settings, asks, reads."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import socketio

from stack.probes.chat import socket

SECONDS = 60.0

Event = tuple[str, dict[str, Any]]


@dataclass
class Reply:
    """What came of a question."""

    text: str = ""
    notices: list[str] = field(default_factory=list)
    """The app's own quiet words."""
    errors: list[str] = field(default_factory=list)


class ChatUser:
    """One session, opened by `at_the_chat`."""

    def __init__(self, url: str, page: socketio.AsyncClient) -> None:
        self.url = url
        self.session = str(uuid.uuid4())
        self.events: list[Event] = []
        self.settings: list[dict[str, Any]] = []
        """The fields of the panel, as it is now."""
        self._page = page
        self._thread = str(uuid.uuid4())
        self._news = asyncio.Condition()
        page.on("*", self._on_event)

    async def enter(self, persona: str, headers: Mapping[str, str]) -> None:
        """Open the page's socket and wait until the settings are there."""
        await self._page.connect(
            self.url,
            headers=dict(headers),
            auth={
                "sessionId": self.session,
                "clientType": "webapp",
                "userEnv": "{}",
                "chatProfile": persona,
                "threadId": "",
            },
            transports=["websocket"],
            socketio_path="/ws/socket.io",
            wait_timeout=SECONDS,
        )
        await self._page.emit("connection_successful")
        await self._until(lambda new: any(name == "chat_settings" for name, _ in new), 0)

    async def upload(self, name: str, data: bytes, kind: str = "text/plain") -> httpx.Response:
        """Send a file as the page does when it is dropped there."""
        async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
            return await http.post(
                f"{self.url}/project/file",
                params={"session_id": self.session},
                files={"file": (name, data, kind)},
                headers={"Origin": self.url},
            )

    async def attach(self, name: str, data: bytes, kind: str = "text/plain") -> str:
        """The same; returns the file's id, for `ask`."""
        answer = await self.upload(name, data, kind)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def download(self, file: str) -> httpx.Response:
        """Ask for a file that was attached."""
        async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
            return await http.get(f"{self.url}/project/file/{file}", params={"session_id": self.session})

    async def set(self, **values: Any) -> list[Event]:
        """Confirm the panel with these fields changed; returns what came: the panel as it is then, and a word on it."""
        before = len(self.events)
        shown = {each["id"]: each["initial"] for each in self.settings}
        await self._page.emit("chat_settings_change", {**shown, **values})
        return await self._until(
            lambda new: (
                any(name == "chat_settings" for name, _ in new)
                and any(name == "toast" or data.get("isError") for name, data in new)
            ),
            before,
        )

    async def ask(self, question: str, files: Sequence[str] = ()) -> Reply:
        """Ask and read to the end."""
        before = len(self.events)
        message = {
            "id": str(uuid.uuid4()),
            "threadId": self._thread,
            "name": "user",
            "type": "user_message",
            "output": question,
            "createdAt": datetime.now(UTC).isoformat(),
        }
        await self._page.emit(
            "client_message", {"message": message, "fileReferences": [{"id": file} for file in files]}
        )
        return _reply(await self._until(lambda new: any(_ends(event, message["id"]) for event in new), before))

    async def stop(self) -> None:
        """Press Stop."""
        await self._page.emit("stop")

    async def _on_event(self, event: str, *arguments: Any) -> None:
        data = arguments[0] if arguments else {}
        if event == "chat_settings":
            self.settings = data
        async with self._news:
            self.events.append((event, data if isinstance(data, dict) else {}))
            self._news.notify_all()

    async def _until(self, enough: Any, before: int) -> list[Event]:
        async with asyncio.timeout(SECONDS), self._news:
            await self._news.wait_for(lambda: enough(self.events[before:]))
            return self.events[before:]


@asynccontextmanager
async def at_the_chat(url: str, persona: str = "", headers: Mapping[str, str] | None = None) -> AsyncIterator[ChatUser]:
    """Somebody who opens the page with a persona and leaves at the end."""
    async with socket() as page:
        user = ChatUser(url, page)
        try:
            await user.enter(persona, headers or {})
            yield user
        finally:
            if page.connected:
                await page.call("clear_session", timeout=SECONDS)  # told by the way, it would come after the leaving
            await page.disconnect()


def _ends(event: Event, message: str) -> bool:
    name, data = event
    return name == "update_message" and data.get("type") == "run" and data.get("parentId") == message


def _reply(events: Sequence[Event]) -> Reply:
    reply, answers = Reply(), set()
    for name, data in events:
        if name == "stream_start":
            answers.add(data["id"])
            reply.text += str(data.get("output") or "")
        elif name == "stream_token" and data["id"] in answers:
            reply.text += str(data["token"])
        elif name == "new_message" and data.get("isError"):
            reply.errors.append(str(data["output"]))
        elif name == "new_message" and data.get("type") == "system_message":
            reply.notices.append(str(data["output"]))
    return reply
