"""How Chainlit's web server behaves, where its settings file has no word for it."""

from __future__ import annotations

from chainlit.config import config
from chainlit.server import app, sio

API_PAGES = {"/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"}


def close_doors() -> None:
    """No API pages for strangers, and no web page but our own may open the chat's socket."""
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) not in API_PAGES]
    # Chainlit turns the check off, which lets any page in the user's browser talk to the model. None: same origin only.
    sio.eio.cors_allowed_origins = None


def follow_the_system() -> None:
    """Light or dark as the user's system is: the page knows this theme, Chainlit's settings file does not take it."""
    config.ui.default_theme = "system"
