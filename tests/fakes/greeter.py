"""A service of the host's that listens on every address it has: what a container must not reach."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import psutil


def host_addresses() -> list[str]:
    """Every IPv4 address of this machine but loopback."""
    return sorted({entry.address for entry in _entries(socket.AF_INET) if not entry.address.startswith("127.")})


def host_addresses_6() -> list[str]:
    """Every IPv6 address of this machine that is not of one link only."""
    found = {entry.address for entry in _entries(socket.AF_INET6)}
    return sorted(each for each in found if each != "::1" and not each.startswith("fe80:"))


@contextlib.contextmanager
def greeting_everywhere() -> Iterator[int]:
    """A port where somebody says hello, over TCP and UDP, on every address the host has now."""
    with contextlib.ExitStack() as held:
        tcp = held.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
        port = int(tcp.getsockname()[1])
        threading.Thread(target=greet, args=(tcp,), daemon=True).start()
        for address in host_addresses():  # one for each: an answer has to come from the address that was asked
            udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            udp.bind((address, port))
            threading.Thread(target=echo, args=(udp,), daemon=True).start()
        yield port


def _entries(family: socket.AddressFamily) -> list[Any]:
    return [entry for entries in psutil.net_if_addrs().values() for entry in entries if entry.family == family]


def greet(tcp: socket.socket) -> None:
    """Say hello to everybody who connects, until the socket is closed."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = tcp.accept()
            with connection:
                connection.sendall(b"hello")


def echo(udp: socket.socket) -> None:
    """Send back what comes, until the socket is closed."""
    with contextlib.suppress(OSError):
        while True:
            said, sender = udp.recvfrom(512)
            with contextlib.suppress(OSError):  # it may have come from an address that leads nowhere
                udp.sendto(said, sender)
