"""Who listens on a TCP port of this machine, as far as this user may know it, and whether others can reach it."""

from __future__ import annotations

import ipaddress
import re

import psutil

# Networks between this machine and its own containers and virtual machines, by how their interfaces are called.
INSIDE_THIS_MACHINE = re.compile(r"docker|br-|veth|virbr|vnet|podman|cni|lxc|lxd|vEthernet", re.IGNORECASE)


def listeners(port: int) -> list[tuple[str, int | None]]:
    """The addresses, and processes where they may be known, that listen on the port."""
    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.Error:  # macOS tells only root
        return []
    return [
        (str(each.laddr[0]), each.pid)
        for each in found
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr[1] == port
    ]


def owner(port: int) -> str:
    """The process that listens on the port, as the end of a sentence; empty where it is not known."""
    for _, pid in listeners(port):
        try:
            return f" ({psutil.Process(pid).name()}, process {pid})" if pid else ""
        except psutil.Error:
            return ""
    return ""


def open_to_others(host: str, port: int) -> str | None:
    """An address on which others on the network reach what this machine serves at ``host`` and ``port``, if any.

    Args:
        host: where it is asked; an address of another machine says nothing about this one.
    """
    if host != "localhost" and host not in _addresses(""):
        return None
    return next((address for address, _ in listeners(port) if _is_open(address)), None)


def _is_open(address: str) -> bool:
    try:
        listens_on = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if listens_on.is_unspecified:
        return True
    return not listens_on.is_loopback and address not in _addresses(INSIDE_THIS_MACHINE.pattern)


def _addresses(interface: str) -> set[str]:
    """Those of this machine, of interfaces whose name begins like that."""
    begins = re.compile(interface, re.IGNORECASE)
    found = psutil.net_if_addrs().items()
    return {each.address for name, addresses in found if begins.match(name) for each in addresses}
