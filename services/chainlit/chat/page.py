"""How Chainlit's web server behaves, where its settings file has no word for it."""

from __future__ import annotations

import re
from typing import Any

import chainlit.socket
from chainlit.config import config
from chainlit.server import app, sio
from starlette.routing import Route

from chat.endpoints import not_here

SESSION_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
API_PAGES = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json")


def close_doors() -> None:
    """No API pages for strangers, and no web page but our own may open the chat's socket."""
    answer_first([not_here(path) for path in API_PAGES])
    # Chainlit turns the check off, which lets any page in the user's browser talk to the model. None: same origin only.
    sio.eio.cors_allowed_origins = None
    sio.on("connect", _connect)


async def _connect(sid: str, environ: dict[str, Any], auth: dict[str, Any] | None) -> bool:
    """Chainlit makes a folder of the id that a page gives its session, and deletes that folder with the session."""
    if not SESSION_ID.fullmatch(str((auth or {}).get("sessionId"))):
        raise ConnectionRefusedError("a session's id is a UUID")
    return bool(await chainlit.socket.connect(sid, environ, auth))


def answer_first(routes: list[Route]) -> None:
    """Have these answered before Chainlit's own, whose last takes every path for the page's."""
    paths = {route.path for route in routes}
    others = [route for route in app.router.routes if getattr(route, "path", None) not in paths]
    app.router.routes[:] = [*routes, *others]


def open_pages() -> int:
    """How many pages are connected."""
    return sum(1 for _ in sio.manager.get_participants("/", None))


def follow_the_system() -> None:
    """Light or dark as the user's system is: the page knows this theme, Chainlit's settings file does not take it."""
    config.ui.default_theme = "system"
