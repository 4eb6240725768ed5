"""Files that are attached and not sent yet: they wait in memory, where one user's must not take the room of all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainlit.config import config
from chainlit.server import sio
from chainlit.session import BaseSession, WebsocketSession, ws_sessions_id
from fastapi import HTTPException

MEGABYTE = 2**20
ROOM_FOR_ALL = 150 * MEGABYTE  # of the 256 MB that compose.yaml gives /tmp, where what is on its way lies, too
FULL = "Too many files wait to be sent just now. Try again when some have been."


@dataclass
class _Waiting:
    session: WebsocketSession
    file: dict[str, Any]
    size: int
    at: float

    def drop(self) -> None:
        """The session still knows the file, so that whoever sends it after all is told."""
        Path(self.file["path"]).unlink(missing_ok=True)


def keep_room() -> None:
    """Have whatever is attached from now on find room, or make it: the user's own that waited longest goes.

    Files of pages that are closed go first. What one user may have waiting is what one question may bring.
    """
    BaseSession.persist_file = _persist_file


_theirs = BaseSession.persist_file


async def _persist_file(
    session: WebsocketSession, name: str, mime: str, path: str | None = None, content: bytes | str | None = None
) -> Any:
    upload = config.features.spontaneous_file_upload
    coming = len(content) if content else Path(str(path)).stat().st_size
    make_room(list(_waiting()), session, coming, upload.max_files * upload.max_size_mb * MEGABYTE)
    return await _theirs(session, name=name, mime=mime, path=path, content=content)


def make_room(waiting: list[_Waiting], session: WebsocketSession, coming: int, most: int) -> None:
    """Drop of the user's files what has to go.

    Args:
        waiting: everybody's.
        coming: how many bytes.
        most: how many one user may have waiting.

    Raises:
        HTTPException: 503, others' files take all the room.
    """
    own = sorted(
        (each for each in waiting if _user(each.session) == _user(session)), key=lambda each: (_open(each), each.at)
    )
    while own and sum(each.size for each in own) + coming > most:
        gone = own.pop(0)
        waiting.remove(gone)
        gone.drop()
    if sum(each.size for each in waiting) + coming > ROOM_FOR_ALL:
        raise HTTPException(503, detail=FULL)


def _waiting() -> Iterator[_Waiting]:
    for session in ws_sessions_id.values():
        for file in session.files.values():
            try:
                seen = Path(file["path"]).stat()
            except FileNotFoundError:
                continue
            yield _Waiting(session, file, seen.st_size, seen.st_mtime)


def _user(session: WebsocketSession) -> str | None:
    return session.user.identifier if session.user else None


def _open(waiting: _Waiting) -> bool:
    return bool(sio.manager.is_connected(waiting.session.socket_id, "/"))
