"""A Docker network with IPv6, for controls: where an attempt over IPv6 has to succeed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError
from docker.types import IPAMConfig, IPAMPool

from stack.tools.process import run

SUBNET = "fd51:7ac5:1::/64"  # of this project's own choice (RFC 4193)
FORWARDING = Path("/proc/sys/net/ipv6/conf/all/forwarding")


@dataclass(frozen=True)
class IPv6Network:
    """Args:
    gateway: the host's link-local address on it; empty where there is no such network, and ``why_not`` says why.
    """

    name: str
    gateway: str = ""
    why_not: str = ""
    subnet: str = SUBNET


@contextlib.contextmanager
def ipv6_network(engine: DockerClient, name: str) -> Iterator[IPv6Network]:
    """Such a network, if this machine can have one without harm; what Docker turns on for it is turned back."""
    why_not = _why_not()
    if why_not:
        yield IPv6Network(name, why_not=why_not)
        return
    before = FORWARDING.read_text()
    try:
        made = engine.networks.create(name, enable_ipv6=True, ipam=IPAMConfig(pool_configs=[IPAMPool(subnet=SUBNET)]))
    except APIError as error:
        yield IPv6Network(name, why_not=f"the engine makes no IPv6 network ({error.explanation})")
        return
    try:
        device = f"br-{made.id[:12]}"
        Path(f"/proc/sys/net/ipv6/conf/{device}/accept_dad").write_text("0")  # an address is of use at once
        yield IPv6Network(name, _link_local(device))
    finally:
        made.remove()
        if FORWARDING.read_text() != before:
            FORWARDING.write_text(before)


def _why_not() -> str:
    if not FORWARDING.exists():
        return "this machine has no IPv6"
    if FORWARDING.read_text().strip() == "0" and run(["ip", "-6", "route", "show", "default", "proto", "ra"]).out:
        return "this machine's way out over IPv6 would be lost while packets are forwarded"
    return ""


def _link_local(device: str) -> str:
    """Docker gives every bridge with IPv6 the same one."""
    shown = run(["ip", "-6", "-o", "address", "show", "dev", device, "scope", "link"]).out
    return shown.split()[3].partition("/")[0]
