"""How Chainlit's web server behaves, where its settings file has no word for it."""

from __future__ import annotations

from chainlit.config import config
from chainlit.server import app, sio
from starlette.routing import Route

from chat.endpoints import not_here

API_PAGES = ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json")


def close_doors() -> None:
    """No API pages for strangers, and no web page but our own may open the chat's socket."""
    answer_first([not_here(path) for path in API_PAGES])
    # Chainlit turns the check off, which lets any page in the user's browser talk to the model. None: same origin only.
    sio.eio.cors_allowed_origins = None


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
