"""A stand-in, on loopback, for all who keep advisories: osv.dev, npm's registry and the Python index."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WELL_KNOWN = {("openssl", "1.1.1d-0+deb10u1"), ("jinja2", "2.10"), ("minimist", "0.0.8")}


class Advisories:
    """Knows some packages as vulnerable, by name and version.

    Attributes:
        asked: every package that was asked about, with its ecosystem.
        instead: what is answered in place of what would be right: a status, and a body.
        status: with which the right answers come.
        change: what becomes of the right answers.
    """

    def __init__(self, *vulnerable: tuple[str, str]) -> None:
        self.vulnerable = {*WELL_KNOWN, *vulnerable}
        self.asked: list[tuple[str, str, str]] = []
        self.instead: tuple[int, bytes] | None = None
        self.status = 200
        self.change: Callable[[Any], Any] = lambda answer: answer
        self.url = ""

    def answer(self, path: str, body: Any) -> Any:
        """What is right, in the shape that the path wants; None for an unknown path."""
        if path == "/v1/querybatch":
            return {"results": [self._osv(query) for query in body["queries"]]}
        if path == "/-/npm/v1/security/advisories/bulk":
            asked = {
                name: [version for version in versions if self._knows("npm", name, version)]
                for name, versions in body.items()
            }
            return {name: [{"id": 1, "url": f"https://x.example/GHSA-{name}"}] for name, bad in asked.items() if bad}
        if path.startswith("/pypi/"):
            _, _, name, version, _ = path.split("/")
            told = {"id": f"PYSEC-{name}", "withdrawn": None}
            return {"info": {}, "vulnerabilities": [told] if self._knows("PyPI", name, version) else []}
        return None

    def _osv(self, query: Any) -> Any:
        package = query["package"]
        bad = self._knows(package["ecosystem"], package["name"], query["version"])
        if bad and "page_token" not in query:  # the first page of some is empty
            return {"next_page_token": "more"}
        return {"vulns": [{"id": f"OSV-{package['name']}", "modified": "2026-01-01T00:00:00Z"}]} if bad else {}

    def _knows(self, ecosystem: str, name: str, version: str) -> bool:
        self.asked.append((ecosystem, name, version))
        return (name, version) in self.vulnerable


@contextmanager
def served(advisories: Advisories) -> Iterator[Advisories]:
    """Have it answer at its ``url`` for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply(None)

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body: Any) -> None:
            found = advisories.answer(self.path, body)
            status, content = (
                advisories.status if found is not None else 404,
                json.dumps(advisories.change(found)).encode(),
            )
            if advisories.instead:
                status, content = advisories.instead
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        advisories.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield advisories
        finally:
            server.shutdown()
