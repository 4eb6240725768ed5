"""Who listens on a port of this machine, and whether others on the network reach it."""

from __future__ import annotations

import os
import socket

import pytest

from stack.probes import listeners


@pytest.mark.parametrize(
    ("on", "asked", "open_to"),
    [
        ("127.0.0.1", "127.0.0.1", None),
        ("127.0.0.1", "localhost", None),
        ("0.0.0.0", "127.0.0.1", "0.0.0.0"),  # noqa: S104
        ("0.0.0.0", "203.0.113.9", None),  # noqa: S104
    ],
    ids=["loopback", "by name", "everyone", "another machine"],
)
def test_open_to_others(on: str, asked: str, open_to: str | None) -> None:
    with socket.create_server((on, 0)) as server:
        assert listeners.open_to_others(asked, server.getsockname()[1]) == open_to


def test_who_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert f"process {os.getpid()})" in listeners.owner(server.getsockname()[1])
    assert listeners.owner(1) == ""
