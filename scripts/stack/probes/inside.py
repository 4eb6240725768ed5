"""Looks at the way to the model from where it runs. Standard library only: the probe sends this file into a container.

Run as a program it takes the address to look at and prints what it saw as one JSON object.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import time
from typing import Any
from urllib.parse import urlsplit

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 8.0


def look(url: str) -> dict[str, Any]:
    """Resolve the name, connect, ask, and say how far that came.

    Returns:
        ``failed_at`` is ``name``, ``connect``, ``answer`` or None; ``error`` says why, ``errno`` is its number or None;
        ``addresses`` are what the name resolves to, ``connect_seconds`` the time to connect; of the answer there are
        ``status``, ``via``, ``type`` and the ``body``'s first 4 kB. ``proxy`` is what a program that honours the usual
        environment variables would ask instead, or None; and ``through_proxy`` how that turns out.
    """
    address = urlsplit(url)
    host, port = address.hostname or "", address.port or 80
    seen: dict[str, Any] = {"failed_at": None, "error": None, "errno": None, "addresses": []}
    step = "name"
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
        seen["addresses"] = sorted({str(entry[4][0]) for entry in found})
        step, started = "connect", time.monotonic()
        with socket.create_connection((seen["addresses"][0], port), timeout=CONNECT_SECONDS):
            seen["connect_seconds"] = round(time.monotonic() - started, 4)
        step = "answer"
        connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", address.path or "/")
            answer = connection.getresponse()
            seen["status"] = answer.status
            seen["via"] = answer.getheader("Via", "")
            seen["type"] = answer.getheader("Content-Type", "")
            seen["body"] = answer.read(4096).decode(errors="replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        seen.update(failed_at=step, error=f"{type(error).__name__}: {error}", errno=getattr(error, "errno", None))
        seen["timed_out"] = isinstance(error, TimeoutError)
    return seen | by_proxy(url)


def by_proxy(url: str) -> dict[str, Any]:
    """What becomes of the question where the environment sends it to a proxy."""
    nobody: dict[str, Any] = {"proxy": None, "through_proxy": None}
    if not any(name.lower() == "http_proxy" for name in os.environ):
        return nobody
    from urllib import request  # noqa: PLC0415  (takes longer than all the rest)

    proxy = request.getproxies().get("http")
    if not proxy or request.proxy_bypass(urlsplit(url).hostname or ""):
        return nobody
    try:
        with request.build_opener(request.ProxyHandler({"http": proxy})).open(url, timeout=CONNECT_SECONDS) as answer:
            came = f"{answer.status} via {answer.headers.get('Via', 'nobody')}"
    except request.HTTPError as answer:
        came = f"{answer.code} via {answer.headers.get('Via', 'nobody')}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        came = f"{type(error).__name__}: {error}"
    return {"proxy": proxy, "through_proxy": came}


if __name__ == "__main__":
    print(json.dumps(look(sys.argv[1])))
