"""The relay's way to Foundry Local: where it is, and a client that passes bytes on as they are."""

from __future__ import annotations

import json

import aiohttp
from yarl import URL

CONNECT_SECONDS = 5
IDLE_SECONDS = 15  # an idle connection is given up before Foundry Local may close it under a request


def address(text: str) -> URL | None:
    """Foundry Local's address out of the text of `foundry.json`; None where it holds none."""
    data = json.loads(text)
    url = data.get("url") if isinstance(data, dict) else None
    if not isinstance(url, str):
        return None
    parsed = URL(url)
    return parsed.origin() if parsed.scheme == "http" and parsed.host else None


def client(silence_seconds: float) -> aiohttp.ClientSession:
    """A client that adds nothing, follows nothing, unpacks nothing and asks no proxy.

    Args:
        silence_seconds: how long Foundry Local may say nothing, before its answer and in the midst of it; a long
            answer that keeps coming may take for ever.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
        timeout=patience(silence_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        auto_decompress=False,
        trust_env=False,
    )


def patience(silence_seconds: float) -> aiohttp.ClientTimeout:
    """Of one request: it may take for ever, if only something keeps coming."""
    return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=silence_seconds)
