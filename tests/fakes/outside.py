"""A stand-in for the internet: a host in a network namespace of its own that the machine can reach, and containers may.

It has no default route, so it can answer only what comes from this machine's own address: a container gets an answer
where Docker hides it behind the host (masquerade), and none where it does not, as on the internet.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fakes.greeter import echo, greet
from stack.tools.process import run

NAME = "stack-outside"
NEAR, FAR = "198.51.100.1", "198.51.100.2"  # addresses for documentation (RFC 5737): nobody has them
NEAR6, FAR6 = "2001:db8:51::1", "2001:db8:51::2"  # likewise (RFC 3849)
METADATA = "169.254.169.254"  # where machines in a cloud ask who they are; while this lasts it leads to the stand-in
PORT = 7
DNS_PORT = 53
ALL_PACKETS = 0x0003  # linux/if_ether.h, ETH_P_ALL
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}


@dataclass
class Outside:
    """The host outside: says hello over TCP, echoes over UDP, and knows every name.

    Args:
        asked: the names that it was asked for.
        arrived: sender's address and protocol of every packet that came, answered or not.
    """

    address: str = FAR
    address6: str = FAR6
    port: int = PORT
    asked: list[str] = field(default_factory=list)
    arrived: set[tuple[str, str]] = field(default_factory=set)

    def route_to(self, *networks: str) -> None:
        """From now on it sends what is for these networks to this machine, as a host in the same LAN can."""
        for network in networks:
            _ip("-n", NAME, "route", "replace", network, "via", NEAR6 if ":" in network else NEAR)

    def run(self, argv: Sequence[str]) -> str:
        """What a program that runs there prints."""
        done = run(["ip", "netns", "exec", NAME, *argv])
        return done.out + done.err


def can_run() -> bool:
    """Whether this user may make network namespaces here."""
    return os.geteuid() == 0 and Path("/proc/self/ns/net").exists()


@contextlib.contextmanager
def outside() -> Iterator[Outside]:
    """The host outside, for as long as the context is open."""
    host = Outside()
    _ip("netns", "add", NAME)
    try:
        _ip("link", "add", "outside0", "type", "veth", "peer", "name", "outside1", "netns", NAME)
        _ip("address", "add", f"{NEAR}/30", "dev", "outside0")
        _ip("address", "add", f"{NEAR6}/64", "dev", "outside0", "nodad")
        _ip("link", "set", "outside0", "up")
        _ip("-n", NAME, "address", "add", f"{FAR}/30", "dev", "outside1")
        _ip("-n", NAME, "address", "add", f"{FAR6}/64", "dev", "outside1", "nodad")
        _ip("-n", NAME, "address", "add", f"{METADATA}/32", "dev", "outside1")
        _ip("-n", NAME, "link", "set", "outside1", "up")
        _ip("-n", NAME, "link", "set", "lo", "up")
        _ip("route", "add", f"{METADATA}/32", "via", FAR)
        with contextlib.ExitStack() as open_sockets:
            for each, serve in _sockets_there(host):
                open_sockets.enter_context(each)
                threading.Thread(target=serve, args=(each,), daemon=True).start()
            yield host
    finally:
        run(["ip", "link", "delete", "outside0"])
        run(["ip", "netns", "delete", NAME])


def _ip(*arguments: str) -> None:
    done = run(["ip", *arguments])
    assert done.code == 0, done.err


Serve = Callable[[socket.socket], None]


def _sockets_there(host: Outside) -> list[tuple[socket.socket, Serve]]:
    """A socket belongs to the namespace that its thread was in when it was made."""
    made: list[tuple[socket.socket, Serve]] = []

    def make() -> None:
        with Path(f"/run/netns/{NAME}").open() as namespace:
            _enter(namespace.fileno())
        made.append((socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PACKETS)), _sees_all(host)))
        for family, address in ((socket.AF_INET, ""), (socket.AF_INET6, "::")):
            made.append((_bound(family, socket.SOCK_STREAM, address, PORT), greet))
            made.append((_bound(family, socket.SOCK_DGRAM, address, PORT), echo))
        made.append((_bound(socket.AF_INET, socket.SOCK_DGRAM, FAR, DNS_PORT), _knows_every_name(host)))

    maker = threading.Thread(target=make)
    maker.start()
    maker.join()
    return made


def _bound(family: socket.AddressFamily, kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    made = socket.socket(family, kind)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.bind((address, port))
    if kind == socket.SOCK_STREAM:
        made.listen(64)
    return made


def _enter(namespace: int) -> None:
    import ctypes  # noqa: PLC0415  (os.setns needs Python 3.12)

    if ctypes.CDLL(None, use_errno=True).setns(namespace, 0x40000000) != 0:  # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), "setns")


def _sees_all(host: Outside) -> Serve:
    def look(wire: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                packet, (_, _, kind, *_) = wire.recvfrom(65535)
                if kind != socket.PACKET_OUTGOING and packet[0] >> 4 == 4:
                    host.arrived.add((socket.inet_ntoa(packet[12:16]), PROTOCOLS.get(packet[9], str(packet[9]))))

    return look


def _knows_every_name(host: Outside) -> Serve:
    """A name server for which every name is the host's own."""

    def answer(udp: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                question, sender = udp.recvfrom(512)
                name, end = _name(question)
                host.asked.append(name)
                address = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + socket.inet_aton(FAR)
                is_a = question[end : end + 2] == b"\x00\x01"
                head = question[:2] + b"\x81\x80\x00\x01" + (b"\x00\x01" if is_a else b"\x00\x00") + bytes(4)
                with contextlib.suppress(OSError):
                    udp.sendto(head + question[12 : end + 4] + (address if is_a else b""), sender)

    return answer


def _name(question: bytes) -> tuple[str, int]:
    """The name in a question, and where its type stands."""
    labels, at = [], 12
    while at < len(question) and (length := question[at]):
        labels.append(question[at + 1 : at + 1 + length].decode(errors="replace"))
        at += length + 1
    return ".".join(labels).lower(), at + 1
