"""Attempts to reach something, made from inside a container's network, and how each one ended.

`PROGRAM` is given to a Python in that network; it needs no capability. A closed way shows as silence (`timeout`) or as
the kernel's word that there is none (`unreachable`); `refused` means that the packet arrived, and nobody listened.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from docker import DockerClient
from docker.models.containers import Container

from fakes.spare_stack import NO_LABELS

ANSWERS, REFUSED, TIMEOUT, UNREACHABLE, NO_NAME = "answers", "refused", "timeout", "unreachable", "no such name"
ONE_WAY = "one-way"  # a timeout, where the packet is seen to have arrived
SEALED = frozenset({TIMEOUT, UNREACHABLE})

# All at once: the kernel gives up on an address that nobody has after three seconds, and says so to all who wait.
PROGRAM = """
import builtins, errno, json, socket, struct, sys, time
from concurrent.futures import ThreadPoolExecutor

WAIT = 2
ENDS = {errno.ECONNREFUSED: "refused", errno.ETIMEDOUT: "timeout"}
NOWHERE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL, errno.ENODEV)

def addresses_are_of_use():
    tentative = 0x40
    try:
        with builtins.open("/proc/net/if_inet6") as known:
            return not any(int(line.split()[4], 16) & tentative for line in known)
    except FileNotFoundError:
        return True

def resolved(host, port, kind):
    ((family, _, _, _, address), *_) = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)
    return family, address

def tcp(host, port):
    family, address = resolved(host, port, socket.SOCK_STREAM)
    with socket.socket(family, socket.SOCK_STREAM) as made:
        made.settimeout(WAIT)
        made.connect(address)
        return "answers" if made.recv(5) == b"hello" else "closed"

def open(host, port):
    with socket.create_connection((host, port), timeout=WAIT):
        return "answers"

def http(host, port):
    with socket.create_connection((host, port), timeout=WAIT) as made:
        made.sendall(f"GET / HTTP/1.0\\r\\nHost: localhost:{port}\\r\\n\\r\\n".encode())
        return "HTTP " + made.recv(12).decode()[9:]

def udp(host, port, said=b"hello"):
    family, address = resolved(host, port, socket.SOCK_DGRAM)
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.settimeout(WAIT)
        made.connect(address)
        made.send(said)
        return "answers" if made.recv(512) else "closed"

def dns(host, port):
    return udp(host, port, b"ab\\x01\\x00\\x00\\x01" + bytes(6) + b"\\x07outside\\x04test\\x00\\x00\\x01\\x00\\x01")

def name(host, port):
    try:
        return "answers" if socket.gethostbyname(host) else "closed"
    except socket.gaierror:
        return "no such name"

def icmp(host, port):
    family, address = resolved(host, port, socket.SOCK_DGRAM)
    six = family == socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP) as made:
        made.settimeout(WAIT)
        made.connect(address)
        made.send(struct.pack("!BBHHH", 128 if six else 8, 0, 0 if six else 0xF7FE, 0, 1))
        return "answers" if made.recv(64) else "closed"

def attempt(knock):
    try:
        return globals()[knock["kind"]](knock["host"], knock["port"])
    except TimeoutError:
        return "timeout"
    except PermissionError:
        return "not permitted"
    except OSError as error:
        return "unreachable" if error.errno in NOWHERE else ENDS.get(error.errno, str(error))

knocks = json.loads(sys.argv[1])
deadline = time.monotonic() + 5
while not addresses_are_of_use() and time.monotonic() < deadline:
    time.sleep(0.05)
with ThreadPoolExecutor(len(knocks)) as pool:
    print(json.dumps(list(pool.map(attempt, knocks))))
"""


@dataclass(frozen=True)
class Knock:
    """One attempt.

    Args:
        kind: tcp (somebody says hello), open (somebody listens), http (the status of an answer, asked as of localhost),
            udp, dns (a question to that server), name (asked of the container's own resolver), icmp.
    """

    kind: str
    host: str
    port: int = 0


def knock(
    engine: DockerClient,
    python: Container,
    knocks: Sequence[Knock],
    beside: Container | None = None,
    *,
    network: str = "bridge",
    dns: Sequence[str] = (),
) -> list[str]:
    """How each attempt ends, made by the image of ``python`` on that network or in that of the container it is beside.

    Beside a container it has the very network of it, and the same resolver, and is no less able than a program in it.
    """
    where = {"network_mode": f"container:{beside.id}"} if beside else {"network": network, "dns": list(dns) or None}
    output = engine.containers.run(
        python.attrs["Image"],
        entrypoint=["/opt/venv/bin/python", "-c", PROGRAM, json.dumps([asdict(each) for each in knocks])],
        command=[],
        environment={"RES_OPTIONS": "timeout:1 attempts:1"},
        labels=NO_LABELS,
        remove=True,
        **where,
    )
    ends: list[str] = json.loads(output)
    assert len(ends) == len(knocks)
    return ends
