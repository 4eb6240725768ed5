"""A server on loopback that gives every question the same answer, or none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

HERE = "127.0.0.1"


@contextmanager
def listener(answer: bytes | None, to: bytes = b"") -> Iterator[int]:
    """Takes connections, reads a request's head from each, and answers; its port.

    Args:
        answer: None: none, ever.
        to: only requests that begin so are answered; the other ones are hung up on.
    """
    with socket.create_server((HERE, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked = b""
                    while not asked.endswith(b"\r\n\r\n") and (part := connection.recv(4096)):  # bash sends it in lines
                        asked += part
                    if asked and asked.startswith(to):
                        connection.sendall(answer or b"")

        if answer is not None:
            threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
