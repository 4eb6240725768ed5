"""Programs that listen where the relay or Foundry Local should: web servers of all kinds, and what speaks no HTTP."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from faults.links import Links
from stack.tools.process import run

Stranger = Callable[[int], AbstractContextManager[int]]
"""Listens on the port while its context is open, or on a free one for 0; gives the port."""


def web_server(status: str, body: str, content_type: str = "text/html", *headers: str) -> Stranger:
    """Answers everything alike.

    Args:
        status: with its reason, such as ``404 Not Found``.
    """
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers)
    return _answering("\r\n".join((*lines, "Connection: close", "", body)).encode())


def json_server(status: str, body: str) -> Stranger:
    """The same, in JSON."""
    return web_server(status, body, "application/json")


def says(words: bytes) -> Stranger:
    """Says so as soon as somebody comes, and leaves; nothing at all for b""."""
    return _answering(words, listens=False)


@contextmanager
def silent(port: int) -> Iterator[int]:
    """The kernel takes the connection, and nobody says a word."""
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]


@contextmanager
def in_the_relays_place(links: Links, stranger: Stranger) -> Iterator[None]:
    """The relay has ended, and the stranger has its port on the loopback."""
    with links.relay_stopped(), stranger(links.settings.foundry_port):
        yield


@contextmanager
def in_foundrys_place(links: Links, stranger: Stranger) -> Iterator[None]:
    """The Foundry Local that the user gave the stack is gone, and the stranger has its address."""
    with stranger(0) as port, links.foundry_is(f"http://127.0.0.1:{port}"):
        yield


@contextmanager
def after_ours_has_crashed(links: Links, stranger: Stranger) -> Iterator[None]:
    """The Foundry Local that `up` started has crashed, and the stranger got its port."""
    port = int(links.foundry["url"].rpartition(":")[2])
    with links.foundry_crashed(), stranger(port):
        yield


@contextmanager
def with_address(address: str) -> Iterator[None]:
    """The machine has this address, too; needs root."""
    assert run(["ip", "address", "add", f"{address}/32", "dev", "lo"]).code == 0
    try:
        yield
    finally:
        run(["ip", "address", "delete", f"{address}/32", "dev", "lo"])


def _answering(answer: bytes, *, listens: bool = True) -> Stranger:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if listens:
                self.request.settimeout(5)
                received = b""
                while b"\r\n\r\n" not in received:
                    if not (more := self.request.recv(65536)):
                        return
                    received += more
            self.request.sendall(answer)

    @contextmanager
    def serve(port: int) -> Iterator[int]:
        with _Server(("127.0.0.1", port), Handler) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            try:
                yield server.server_address[1]
            finally:
                server.shutdown()

    return serve


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Who asks may leave when it likes."""
