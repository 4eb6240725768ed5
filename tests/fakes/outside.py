"""A stand-in for the internet: a host in a network namespace of its own that the machine can reach, and containers may.

It has no default route, so it can answer only what comes from this machine's own address: a container gets an answer
where Docker hides it behind the host (masquerade), and none where it does not, as on the internet.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from stack.tools.process import run

NAME = "stack-outside"
NEAR, FAR = "198.51.100.1", "198.51.100.2"  # addresses for documentation (RFC 5737): nobody has them
PORT = 7


def can_run() -> bool:
    """Whether this user may make network namespaces here."""
    return os.geteuid() == 0 and Path("/proc/self/ns/net").exists()


@contextlib.contextmanager
def outside() -> Iterator[tuple[str, int]]:
    """Address and port of a host outside that says hello over TCP and echoes over UDP."""
    _ip("netns", "add", NAME)
    try:
        _ip("link", "add", "outside0", "type", "veth", "peer", "name", "outside1", "netns", NAME)
        _ip("address", "add", f"{NEAR}/30", "dev", "outside0")
        _ip("link", "set", "outside0", "up")
        _ip("-n", NAME, "address", "add", f"{FAR}/30", "dev", "outside1")
        _ip("-n", NAME, "link", "set", "outside1", "up")
        tcp, udp = _sockets_there()
        with tcp, udp:
            for serve in (_greet, _echo):
                threading.Thread(target=serve, args=(tcp if serve is _greet else udp,), daemon=True).start()
            yield FAR, PORT
    finally:
        run(["ip", "link", "delete", "outside0"])
        run(["ip", "netns", "delete", NAME])


def _ip(*arguments: str) -> None:
    done = run(["ip", *arguments])
    assert done.code == 0, done.err


def _sockets_there() -> tuple[socket.socket, socket.socket]:
    """A socket belongs to the namespace that its thread was in when it was made."""
    made: list[socket.socket] = []

    def make() -> None:
        with Path(f"/run/netns/{NAME}").open() as namespace:
            _enter(namespace.fileno())
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind((FAR, PORT))
        tcp.listen()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((FAR, PORT))
        made.extend((tcp, udp))

    maker = threading.Thread(target=make)
    maker.start()
    maker.join()
    return made[0], made[1]


def _enter(namespace: int) -> None:
    import ctypes  # noqa: PLC0415  (os.setns needs Python 3.12)

    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def _greet(tcp: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = tcp.accept()
            with connection:
                connection.sendall(b"hello")


def _echo(udp: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            said, sender = udp.recvfrom(512)
            udp.sendto(said, sender)
