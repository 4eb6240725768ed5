"""Nothing leaves: every container of the stack against every kind of target, with controls; also `docs/egress.md`."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import pytest
import testinfra
from docker import DockerClient
from docker.models.containers import Container
from testinfra.host import Host

from fakes.egress_page import Row, Table, page
from fakes.greeter import greeting_everywhere, host_addresses, host_addresses_6
from fakes.ipv6_network import ipv6_network
from fakes.knocking import ANSWERS, NO_NAME, ONE_WAY, PROGRAM, REFUSED, SEALED, TIMEOUT, Knock, knock
from fakes.outside import METADATA, NEAR, Outside, can_run, outside
from stack.parts.foundry import record
from stack.settings import PORTS, ROOT, Settings
from stack.tools.process import run

LASTING = ["gateway", "chainlit", "open-webui", "webgpu-static", "monitor"]
FRONT_ENDS = [service for service in LASTING if service != "gateway"]
INSIDE_PORTS = {"chainlit": 8000, "open-webui": 8080, "webgpu-static": 8000, "monitor": 8000}
DOOR = 51211
PLAIN, WITH_IPV6 = "plain", "plain, with IPv6"
NO_CONTROL, NOBODY = "no control", "none: nobody has that address"
ASK_WITH_THE_TOKEN = r"""
exec 3<>/dev/tcp/host.docker.internal/$FOUNDRY_PORT
printf 'GET /status HTTP/1.0\r\nHost: host.docker.internal:51211\r\n' >&3
printf 'X-Relay-Token: %s\r\n\r\n' "$(</run/secrets/token)" >&3
head -c12 <&3
"""
Find = Callable[[str], Container]
Inside = Callable[[str], Host]

pytestmark = pytest.mark.skipif(not can_run(), reason="a stand-in for the outside needs root (a network namespace)")


@dataclass(frozen=True)
class Target:
    """What is knocked at.

    Args:
        by: where the control stands, which has to succeed: plain, ipv6, named, host; empty: there can be none.
        gateway: how it may end for the gateway; for all others it has to be sealed.
    """

    name: str
    knocks: Sequence[Knock]
    by: str
    gateway: frozenset[str] = SEALED
    others: frozenset[str] = SEALED
    control: Sequence[Knock] = ()


@dataclass
class Measured:
    """All there is to say, and the stand-in that was to be reached."""

    targets: Sequence[Target]
    ends: Mapping[str, Mapping[str, str]]
    controls: Mapping[str, str]
    into: Table
    between: Table
    asked_outside: Sequence[str]
    arrived_from: set[str]
    gateway: str

    def tables(self) -> list[Table]:
        """As they stand on the page."""
        columns = [PLAIN, *LASTING]
        to_host = Table("The host", columns, notes=OF_THE_HOST)
        out = Table("Outside", columns, notes=OF_OUTSIDE)
        for target in self.targets:
            table = out if target.name.startswith("outside") else to_host
            ends = {column: self.ends[column][target.name] for column in columns if target.name in self.ends[column]}
            table.rows.append(Row(target.name, self.controls[target.name], ends))
        return [out, to_host, self.into, self.between]


OF_OUTSIDE = """\
The gateway's packets are not hidden behind the machine's address, so no answer to one comes back; but they do leave.
A gateway that is taken over could push data out blindly. [threat-model.md](threat-model.md) has the firewall's line."""
OF_THE_HOST = """\
The gateway needs the relay's port at Docker's bridge address; by the same way it reaches whatever else listens on an
address of the host other than loopback. Compose can't narrow that. A firewall of the host's can: see
[threat-model.md](threat-model.md)."""
OF_LAN = """\
A host of the same network that sends packets for Docker's networks to this machine (a static route) reaches the
gateway's published ports by Docker's own rules, loopback or not; so the pages answer this machine's addresses only."""


@pytest.fixture(scope="module")
def measured(settings: Settings, engine: DockerClient, container: Find, bridge: str, inside: Inside) -> Measured:
    with contextlib.ExitStack() as held:
        away = held.enter_context(outside())
        six = held.enter_context(ipv6_network(engine, f"{settings.compose_project_name}-six"))
        if six.gateway:
            away.route_to(six.subnet)
        named = engine.networks.create(f"{settings.compose_project_name}-named")
        held.callback(named.remove)
        port = held.enter_context(greeting_everywhere())
        targets = _targets(settings, engine, bridge, away, port)
        python = container("chainlit")

        by_name = [target for target in targets if target.by == "named"]
        by_six = [target for target in targets if target.by == "ipv6"]

        def measure(column: str) -> dict[str, str]:
            asked = [target for target in targets if column != PLAIN or target.by in ("plain", "host")]
            flat = [_as(column, each) for target in asked for each in target.knocks]
            beside = container(column) if column != PLAIN else None
            return _by_target(asked, knock(engine, python, flat, beside=beside))

        def with_that_name_server() -> dict[str, str]:
            flat = [_as("control", each) for target in by_name for each in target.knocks]
            return _by_target(by_name, knock(engine, python, flat, network=named.name, dns=[away.address]))

        def with_ipv6() -> dict[str, str]:
            flat = [_as("control", each, six.gateway) for target in by_six for each in target.knocks]
            return _by_target(by_six, knock(engine, python, flat, network=six.name))

        with ThreadPoolExecutor(5) as pool:  # most of it is waiting
            columns = {column: pool.submit(measure, column) for column in (PLAIN, *LASTING)}
            names, sixes = pool.submit(with_that_name_server), pool.submit(with_ipv6) if six.gateway else None
            ends = {column: measuring.result() for column, measuring in columns.items()}
            controls = {name: f"plain, with that server: {end}" for name, end in names.result().items()}
            for target in by_six:
                answer = f"{WITH_IPV6}: {sixes.result()[target.name]}" if sixes else f"{NO_CONTROL}: {six.why_not}"
                controls[target.name] = answer
        own = container("gateway").attrs["NetworkSettings"]["Networks"]
        at_edge = str(own[f"{settings.compose_project_name}_edge"]["IPAddress"])
        for target in targets:
            if target.name.startswith("outside") and ends["gateway"][target.name] == TIMEOUT:
                protocol = {"open": "tcp", "dns": "udp"}.get(target.knocks[0].kind, target.knocks[0].kind)
                if (at_edge, protocol) in away.arrived:
                    ends["gateway"][target.name] = ONE_WAY
        arrived_from = {sender for sender, _ in away.arrived}
        for target in targets:
            if target.by == "plain":
                controls[target.name] = f"plain: {ends[PLAIN][target.name]}"
            elif target.by == "host":
                controls[target.name] = f"the host's loopback: {_from_here(target.control)}"
            elif not target.by:
                controls[target.name] = NOBODY
        into = _into_the_stack(settings, engine, container, bridge, away)
        return Measured(
            targets, ends, controls, into, _between(engine, container), list(away.asked), arrived_from, at_edge
        )


@pytest.fixture(scope="module")
def inside(container: Find) -> Inside:
    """Commands and files in the container of that service."""
    return lambda service: testinfra.get_host(f"docker://{container(service).name}")


def test_every_control_succeeds(measured: Measured) -> None:
    for target in measured.targets:
        said = measured.controls[target.name]
        assert said.endswith((f": {ANSWERS}", ": HTTP 401")) or said == NOBODY or said.startswith(NO_CONTROL), (
            target.name
        )


@pytest.mark.parametrize("service", LASTING)
def test_nothing_else_does(measured: Measured, service: str) -> None:
    for target in measured.targets:
        may_end = target.gateway if service == "gateway" else target.others
        assert set(measured.ends[service][target.name].split(", ")) <= may_end, target.name


def test_no_packet_of_a_front_end_arrived_outside(measured: Measured) -> None:
    """The plain container's came, from this machine's own address; and the gateway's, which nobody can answer."""
    assert measured.arrived_from == {NEAR, measured.gateway}


def test_no_name_was_asked_outside(measured: Measured) -> None:
    assert {name for name in measured.asked_outside if name != "outside.test"} == {"control.outside.test"}


def test_nobody_comes_in(measured: Measured) -> None:
    ways = {row.target: (row.control, *row.ends.values()) for row in measured.into.rows}
    assert list(ways.values()) == [
        ("the host: HTTP 200", "HTTP 403", "timeout"),
        ("a front end: answers", "timeout", "timeout"),
        ("the host's loopback: answers", "refused", "refused"),
        ("the host's loopback: answers", "refused", "refused"),
        ("the gateway, with the token: HTTP 200", "HTTP 401", "HTTP 401"),
    ]


def test_the_page_in_docs_is_what_was_measured(measured: Measured, engine: DockerClient) -> None:
    version = ".".join(engine.version()["Version"].split(".")[:2])
    text = page(measured.tables(), version)
    print(text)
    anew = ROOT / ".state" / "egress.md"
    anew.write_text(text, encoding="utf-8")
    written = (ROOT / "docs" / "egress.md").read_text(encoding="utf-8")
    if f"Docker Engine {version} on Linux" not in written:
        pytest.skip("the page was measured with another Docker Engine; the other tests hold for every one")
    for control in measured.controls.values():
        if control.startswith(NO_CONTROL):  # a machine without IPv6, say
            written = written.replace(f"{WITH_IPV6}: {ANSWERS}", control)
    assert written == text, f"as measured: {anew}"


@pytest.mark.parametrize("service", LASTING)
def test_names_of_containers_are_known_and_others_are_asked_nowhere(
    container: Find, inside: Inside, service: str
) -> None:
    assert inside(service).run("getent hosts gateway").rc == 0
    assert container(service).attrs["HostConfig"]["Dns"] == ["127.0.0.1"]
    listening = inside(service).check_output("cat /proc/net/udp /proc/net/udp6")
    assert not re.search(r"^\s*\d+: \S+:0035 ", listening, re.MULTILINE), "somebody answers there"


@pytest.mark.parametrize("service", FRONT_ENDS)
def test_a_front_end_is_on_one_network_where_the_host_is_not(
    inside: Inside, engine: DockerClient, settings: Settings, service: str
) -> None:
    devices = re.findall(r"^\s*(\w+):", inside(service).check_output("cat /proc/net/dev"), re.MULTILINE)
    assert sorted(devices) == ["eth0", "lo"]
    assert inside(service).check_output("cat /proc/net/if_inet6") == ""
    subnet = ip_network(_pool(engine, settings, "private")["Subnet"])
    assert not [address for address in host_addresses() if ip_address(address) in subnet]


def test_init_has_no_network(container: Find) -> None:
    assert container("init").attrs["HostConfig"]["NetworkMode"] == "none"


@pytest.mark.full
def test_a_firewall_closes_what_remains(settings: Settings, engine: DockerClient, container: Find, bridge: str) -> None:
    """With the lines of the threat model, as they stand there."""
    page_text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```\n(\s+edge=.*?)```", page_text, re.DOTALL)
    lines = block.replace("foundry-stack_edge", f"{settings.compose_project_name}_edge")
    lines = lines.replace("51211", str(settings.foundry_port))
    with outside() as away, greeting_everywhere() as port:
        knocks = [Knock("udp", away.address, away.port), Knock("tcp", away.address, away.port), Knock("icmp", bridge)]
        knocks += [Knock("tcp", bridge, port), Knock("udp", bridge, port), Knock("http", bridge, settings.foundry_port)]

        def measure() -> list[str]:
            return knock(engine, container("chainlit"), knocks, beside=container("gateway"))

        assert measure() == [TIMEOUT, TIMEOUT, ANSWERS, ANSWERS, ANSWERS, "HTTP 401"]
        assert {protocol for _, protocol in away.arrived} == {"udp", "tcp"}
        away.arrived.clear()
        assert run(["bash", "-euc", lines]).code == 0
        try:
            assert measure() == [TIMEOUT, TIMEOUT, TIMEOUT, TIMEOUT, TIMEOUT, "HTTP 401"]
            assert away.arrived == set()
            assert _from_here([Knock("http", "127.0.0.1", settings.chainlit_port)]) == "HTTP 200"
            assert _with_the_token(container("gateway")) == "200"
        finally:
            run(["bash", "-uc", lines.replace(" -I ", " -D ")])


def _targets(settings: Settings, engine: DockerClient, bridge: str, away: Outside, port: int) -> list[Target]:
    edge = str(_pool(engine, settings, "edge")["Gateway"])
    nobody = str(_pool(engine, settings, "private")["Gateway"])
    every = host_addresses()
    others = [address for address in every if address not in (bridge, edge)]
    present = record.read(settings.state)
    assert present is not None
    foundry = urlsplit(present.url).port or 0
    pages = [getattr(settings, name) for name in PORTS if name != "foundry_port"]
    relay = settings.foundry_port
    reached, nobody_listens = frozenset({ANSWERS}), frozenset({REFUSED})

    def at(kind: str, addresses: Sequence[str], *ports: int) -> list[Knock]:
        return [Knock(kind, address, each) for address in addresses for each in ports]

    def closed(name: str, addresses: Sequence[str], *ports: int) -> Target:
        on_loopback = at("open", ["127.0.0.1"], *ports)
        return Target(name, at("open", addresses, *ports), "host", nobody_listens, control=on_loopback)

    lost = SEALED | {ONE_WAY}
    six, four, number = away.address6, away.address, away.port
    return [
        Target("outside, TCP", [Knock("tcp", four, number)], "plain", lost),
        Target("outside, UDP", [Knock("udp", four, number)], "plain", lost),
        Target("outside, ICMP (ping)", [Knock("icmp", four)], "plain", lost),
        Target("outside, a name server", [Knock("dns", four, 53)], "plain", lost),
        Target(
            "outside, a name, by Docker's resolver",
            [Knock("name", "{column}.outside.test")],
            "named",
            frozenset({NO_NAME}),
            frozenset({NO_NAME}),
        ),
        Target("outside, a cloud's metadata address", [Knock("tcp", METADATA, number)], "plain", lost),
        Target("outside, IPv6, TCP", [Knock("tcp", six, number)], "ipv6"),
        Target("outside, IPv6, UDP", [Knock("udp", six, number)], "ipv6"),
        Target("outside, IPv6, ICMP (ping)", [Knock("icmp", six)], "ipv6"),
        Target("any service, at Docker's bridge address", at("tcp", [bridge], port), "plain", reached),
        Target("any service, by UDP", at("udp", [bridge], port), "plain", reached),
        Target("any service, at the address of `edge`", at("tcp", [edge], port), "plain", reached),
        Target("any service, at the address that `private` has none of", at("tcp", [nobody], port), ""),
        Target("any service, at every other address of the host", at("tcp", others, port), "plain", reached),
        Target("any service, at its IPv6 addresses", at("tcp", host_addresses_6(), port), "ipv6"),
        Target("any service, at the bridge's link-local address", at("tcp", ["{link-local}"], port), "ipv6"),
        Target(
            "the relay, at Docker's bridge address, without the token",
            at("http", [bridge], relay),
            "plain",
            frozenset({"HTTP 401"}),
        ),
        closed("the relay, at every other address", [each for each in every if each != bridge], relay),
        closed("the pages' ports, at every address", every, *pages),
        closed("Foundry Local's own port, at every address", every, foundry),
    ]


def _into_the_stack(settings: Settings, engine: DockerClient, container: Find, bridge: str, away: Outside) -> Table:
    """The outside as a host of the same network, which sends what is for Docker's networks to this machine."""
    away.route_to(str(_pool(engine, settings, "edge")["Subnet"]), f"{bridge}/32")
    gateway = container("gateway").attrs["NetworkSettings"]["Networks"]
    address = gateway[f"{settings.compose_project_name}_edge"]["IPAddress"]
    near = [each for each in host_addresses() if each.startswith("198.51.100.")][:1]
    pages = [getattr(settings, name) for name in PORTS if name != "foundry_port"]
    present = record.read(settings.state)
    assert present is not None
    foundry = urlsplit(present.url).port or 0
    python = container("chainlit")
    ways = {
        "the pages, at the gateway's own address": [Knock("http", address, each) for each in (8080, 3000, 5173)],
        "the door to Foundry Local, there": [Knock("open", address, DOOR)],
        "the pages' ports, at the host's address": [Knock("open", near[0], each) for each in pages],
        "Foundry Local's own port, there": [Knock("open", near[0], foundry)],
        "the relay, at Docker's bridge address": [Knock("http", bridge, settings.foundry_port)],
    }
    front_end = knock(engine, python, [Knock("open", "host.docker.internal", DOOR)], beside=python)
    controls = [
        f"the host: {_from_here(ways['the pages, at the gateway' + chr(39) + 's own address'])}",
        f"a front end: {front_end[0]}",
        f"the host's loopback: {_from_here([Knock('open', '127.0.0.1', each) for each in pages])}",
        f"the host's loopback: {_from_here([Knock('open', '127.0.0.1', foundry)])}",
        f"the gateway, with the token: HTTP {_with_the_token(container('gateway'))}",
    ]
    flat = [each for knocks in ways.values() for each in knocks]
    from_lan = _knock_from(flat, lambda program: away.run([sys.executable, "-c", *program]))
    from_plain = knock(engine, python, flat)
    table = Table("Into the stack", ["a host of the LAN, by a static route", PLAIN], notes=OF_LAN)
    at = 0
    for (name, knocks), control in zip(ways.items(), controls, strict=True):
        ends = [_together(each[at : at + len(knocks)]) for each in (from_lan, from_plain)]
        table.rows.append(Row(name, control, dict(zip(table.columns, ends, strict=True))))
        at += len(knocks)
    return table


def _between(engine: DockerClient, container: Find) -> Table:
    table = Table("Between the front ends", FRONT_ENDS, notes=OF_PRIVATE, controlled=False)
    targets = {"the door to Foundry Local": Knock("open", "host.docker.internal", DOOR)}
    targets |= {service: Knock("open", service, port) for service, port in INSIDE_PORTS.items()}
    python = container("chainlit")

    def knock_from(service: str) -> list[str]:
        return knock(engine, python, list(targets.values()), beside=container(service))

    with ThreadPoolExecutor(3) as pool:
        seen = dict(zip(FRONT_ENDS, pool.map(knock_from, FRONT_ENDS), strict=True))
    for number, name in enumerate(targets):
        table.rows.append(Row(name, "", {service: ends[number] for service, ends in seen.items() if service != name}))
    return table


OF_PRIVATE = """\
The front ends share one network: one that is taken over can open another one's page as a user could, and has to sign
in to Open WebUI as one. None of them asks the gateway for anything but the door, and the monitor for the pages."""


def _as(column: str, each: Knock, link_local: str = "fe80::1") -> Knock:
    """The attempt as that column makes it: names differ, so that the name server can tell who asked."""
    host = each.host.format(column=column) if "{column}" in each.host else each.host
    return Knock(each.kind, f"{link_local}%eth0" if host == "{link-local}" else host, each.port)


def _by_target(targets: Sequence[Target], ends: Sequence[str]) -> dict[str, str]:
    found, at = {}, 0
    for target in targets:
        found[target.name] = _together(ends[at : at + len(target.knocks)])
        at += len(target.knocks)
    assert at == len(ends)
    return found


def _together(ends: Sequence[str]) -> str:
    return ", ".join(sorted(set(ends)))


def _from_here(knocks: Sequence[Knock]) -> str:
    return _together(_knock_from(knocks, lambda program: run([sys.executable, "-c", *program]).out))


def _knock_from(knocks: Sequence[Knock], python: Callable[[Sequence[str]], str]) -> list[str]:
    ends: list[str] = json.loads(python([PROGRAM, json.dumps([asdict(each) for each in knocks])]))
    return ends


def _with_the_token(gateway: Container) -> str:
    done = run(["docker", "exec", gateway.name, "bash", "-c", ASK_WITH_THE_TOKEN])
    return done.out.strip()[9:]


def _pool(engine: DockerClient, settings: Settings, network: str) -> Mapping[str, str]:
    found = engine.networks.get(f"{settings.compose_project_name}_{network}")
    pool: Mapping[str, str] = found.attrs["IPAM"]["Config"][0]
    return pool
