"""Who reaches a container, and whom it reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stack.audits.ground import Ground
from stack.audits.item import Item
from stack.audits.scorecard import Seen, bad, good, not_here
from stack.audits.subject import Subject
from stack.probes.as_configured import not_too_open
from stack.probes.report import Status

PRIVILEGED = 1024
OF_DOCKER = ("bridge", "host", "none")  # Docker's own; that they are not used, other items say
NO_RESOLVER = ["127.0.0.1"]
NO_HOST_ADDRESS = "com.docker.network.bridge.inhibit_ipv4"
MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"


def _low_ports(subject: Subject, _: Ground) -> Seen:
    low = sorted(port for port in _published(subject) if port < PRIVILEGED)
    return bad(f"{', '.join(map(str, low))} of the host") if low else good("none of the host's")


def _needed_ports(subject: Subject, ground: Ground) -> Seen:
    allowed = ground.page_ports if subject.is_the_door else frozenset()
    if more := sorted(set(_published(subject)) - allowed):
        return bad(f"published, and no page's: {', '.join(map(str, more))}")
    if subject.inside and subject.host["NetworkMode"] != "host":  # there all of the host's would be seen
        exposed = {int(port.partition("/")[0]) for port in subject.image["Config"].get("ExposedPorts") or ()}
        if more := sorted(subject.inside.listening - exposed):
            return bad(f"listens on {', '.join(map(str, more))}, which its image does not expose")
    return good("the pages'" if subject.is_the_door else "none published")


def _loopback(subject: Subject, _: Ground) -> Seen:
    outcome = not_too_open(subject.attributes)
    return good("loopback only, or not at all") if outcome.status is Status.OK else bad(outcome.evidence)


def _default_bridge(subject: Subject, _: Ground) -> Seen:
    return bad("on docker0") if "bridge" in subject.networks else good("networks of its own, or none")


def _internal(subject: Subject, _: Ground) -> Seen:
    if subject.is_the_door:
        return not_here("the one way out")
    if leading_out := sorted(name for name, network in _own_networks(subject) if not network["Internal"]):
        return bad(f"on {', '.join(leading_out)}, which leads out")
    return good(", ".join(sorted(subject.networks)) or "none")


def _not_masqueraded(subject: Subject, _: Ground) -> Seen:
    if not subject.is_the_door:
        return not_here("not on it")
    out = {name: network for name, network in _own_networks(subject) if not network["Internal"]}
    if masked := sorted(name for name, network in out.items() if network["Options"].get(MASQUERADE) != "false"):
        return bad(f"{', '.join(masked)} leads beyond the host")
    return good(", ".join(sorted(out)) or "none")


def _no_host_address(subject: Subject, _: Ground) -> Seen:
    inner = {name: network for name, network in _own_networks(subject) if network["Internal"]}
    if with_host := sorted(
        name for name, network in inner.items() if network["Options"].get(NO_HOST_ADDRESS) != "true"
    ):
        return bad(f"the host has an address on {', '.join(with_host)}")
    return good(", ".join(sorted(inner)) or "on none")


def _no_ipv6(subject: Subject, _: Ground) -> Seen:
    if on := sorted(name for name, network in _own_networks(subject) if network["EnableIPv6"]):
        return bad(f"{', '.join(on)} has it")
    if subject.inside and subject.inside.ipv6 and subject.host["NetworkMode"] != "host":
        return bad("it has an address")
    return good("none")


def _names(subject: Subject, _: Ground) -> Seen:
    if not subject.networks or set(subject.networks) == {"none"}:
        return not_here("no network")
    return good("asked nowhere outside") if subject.host.get("Dns") == NO_RESOLVER else bad("asked outside")


def _published(subject: Subject) -> Iterator[int]:
    for bindings in (subject.attributes["NetworkSettings"].get("Ports") or {}).values():
        for binding in bindings or ():
            yield int(binding["HostPort"])


def _own_networks(subject: Subject) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((name, network) for name, network in subject.networks.items() if network["Name"] not in OF_DOCKER)


ITEMS = (
    Item(
        ("CIS 5.8",),
        "Ensure privileged ports are not mapped within containers",
        _low_ports,
        "a port from 1024 on",
    ),
    Item(
        ("CIS 5.9",),
        "Ensure that only needed ports are open on the container",
        _needed_ports,
        "`ports` for the gateway only, and only those of the pages",
    ),
    Item(
        ("CIS 5.14", "OWASP #5a", "house"),
        "Ensure that incoming container traffic is bound to a specific host interface",
        _loopback,
        '`ports: ["127.0.0.1:..."]`',
    ),
    Item(
        ("CIS 5.30", "OWASP #5"),
        "Ensure that Docker's default bridge 'docker0' is not used",
        _default_bridge,
        "`networks: [private]`",
    ),
    Item(
        ("house internal", "OWASP #5"),
        "None but the gateway is on a network that leads out",
        _internal,
        "`networks: [private]`, which is `internal: true`",
    ),
    Item(
        ("house no-host-address",),
        "On the inner network the host has no address",
        _no_host_address,
        f'under `networks`, `private`: `driver_opts: {{{NO_HOST_ADDRESS}: "true"}}`',
    ),
    Item(
        ("house not-masqueraded",),
        "Not even the gateway gets answers from beyond the host",
        _not_masqueraded,
        f'under `networks`, `edge`: `driver_opts: {{{MASQUERADE}: "false"}}`',
    ),
    Item(
        ("house no-ipv6",),
        "There is no second way by IPv6",
        _no_ipv6,
        "under `networks`: `enable_ipv6: false`",
    ),
    Item(
        ("house names",),
        "No name is asked of a resolver outside",
        _names,
        '`dns: ["127.0.0.1"]`',
    ),
)
