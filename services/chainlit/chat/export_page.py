"""`/export`: every chat of whoever is signed in, to take away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from typing import Annotated, Any
from urllib.parse import quote

from chainlit.auth import get_current_user
from chainlit.config import HeaderLink, config
from chainlit.server import app
from chainlit.user import PersistedUser
from fastapi import Depends, HTTPException
from fastapi.responses import HTMLResponse, JSONResponse, Response

from chat import export
from chat.store.layer import Layer

EVERY = 1_000_000
NOT_KEPT = {"Cache-Control": "no-store"}
ENDINGS = {"md": "Markdown", "json": "JSON"}

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Export: Foundry Local Chat</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/public/export.css"></head>
<body><main><h1>Your chats, to take away</h1>
<p>Markdown is for reading, JSON for programs. <a href="/">Back to the chat</a></p>
{table}</main></body></html>
"""
ALL = '<p>All in one file: <a href="/export/all.json">JSON</a></p>'
EMPTY = "<p>You have no chats yet.</p>"

LINK = HeaderLink(name="export", display_name="Export", icon_url="/public/export.svg", url="/export", target="_self")

User = Annotated[PersistedUser, Depends(get_current_user)]


def offer(layer: Layer) -> None:
    """Have the chat's server answer these addresses, and its page lead there."""

    async def page(user: User) -> Response:
        threads, _ = await layer.threads_of(user.id, EVERY)
        rows = "".join(_row(thread) for thread in threads)
        table = f"{ALL}<table>{rows}</table>" if rows else EMPTY
        return HTMLResponse(PAGE.format(table=table), headers=NOT_KEPT)

    async def everything(user: User) -> Response:
        threads, _ = await layer.threads_of(user.id, EVERY)
        whole = [await layer.get_thread(thread["id"]) for thread in threads]
        chats = [export.as_json(thread) for thread in whole if thread]
        return _to_keep(JSONResponse({"schema": export.SCHEMA, "chats": chats}), "chats.json")

    async def one(thread_id: str, ending: str, user: User) -> Response:
        thread = await layer.get_thread(thread_id) if ending in ENDINGS else None
        if thread is None or thread["userId"] != user.id:
            raise HTTPException(404, detail="You have no such chat.")
        answer = (
            JSONResponse(export.as_json(thread))
            if ending == "json"
            else Response(export.as_markdown(thread), media_type="text/markdown; charset=utf-8")
        )
        return _to_keep(answer, export.file_name(thread, ending))

    _answer("/export/{thread_id}.{ending}", one)
    _answer("/export/all.json", everything)
    _answer("/export", page)
    config.ui.header_links = [LINK]


def _answer(path: str, endpoint: Callable[..., Awaitable[Response]]) -> None:
    """Before Chainlit's own routes, the last of which answers whatever is asked."""
    app.add_api_route(path, endpoint, methods=["GET"], include_in_schema=False)
    app.router.routes.insert(0, app.router.routes.pop())


def _to_keep(answer: Response, name: str) -> Response:
    answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    answer.headers.update(NOT_KEPT)
    return answer


def _row(thread: dict[str, Any]) -> str:
    address = f"/export/{quote(thread['id'], safe='')}"
    links = " ".join(f'<a href="{address}.{ending}">{text}</a>' for ending, text in ENDINGS.items())
    cells = (escape(thread["changedAt"][:10]), escape(thread["name"] or export.UNTITLED), links)
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
