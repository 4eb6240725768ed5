"""Ways around the gateway, tried from a shell inside each container: every one fails, and Foundry Local's log says so.

Only what is in the container is used: bash, perl and coreutils, which every image has from Debian, and no capability.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest
from docker import DockerClient
from docker.models.containers import Container
from rich.console import Console
from rich.table import Table

from fakes.greeter import host_addresses
from fakes.outside import FAR, FAR6, METADATA, NEAR, Outside, can_run, outside
from fakes.witness import HARMLESS, Witness, witnessing
from stack.settings import Settings
from stack.tools.process import run

Find = Callable[[str], Container]

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_run(), reason="a stand-in for the outside needs root (a network namespace)"),
]

LASTING = ["gateway", "chainlit", "open-webui", "webgpu-static", "monitor"]
FORBIDDEN = [
    "POST /shutdown",
    "GET /shutdown",
    "GET /models/unload/{model}",
    "GET /models/load/{model}",
    "GET /v1/responses",
    "GET /v1/responses/resp_1",
    "GET /v1/responses/resp_1/input_items",
    "GET //v1/responses",
    "GET /v1//responses",
    "GET /V1/responses",
    "GET /v1/responses/",
    "GET /v1/responses?limit=9",
    "GET /v1/%72esponses",
    "GET /v1%2fresponses",
    "GET /v1/models/../responses",
    "GET /v1/models/%2e%2e/responses",
    "GET /v1/models/..%2fresponses",
    "GET /v1/models/..;/responses",
    "GET /v1/models/..%5cresponses",
    "GET /v1/models/%252e%252e/responses",
    "POST /v1/chat/completions/../../../shutdown",
    "GET http://127.0.0.1:{foundry}/v1/responses",
    "GET http://host.docker.internal:{foundry}/v1/responses",
    "CONNECT 127.0.0.1:{foundry}",
    "OPTIONS *",
    "HEAD /v1/responses",
]
CONTROL = "the door that is there"
REFUSALS = {"400", "401", "403", "404", "405", "414", "421", "no answer"}
# What passes, as what it is: the path that a header names, and a request in the body of another one, are nothing.
DISGUISED = {
    "another path in a header": r"GET /v1/models HTTP/1.1\r\nX-Original-URL: /v1/responses\r\nX-Rewrite-URL: /shutdown",
    "another method in a header": r"GET /v1/models HTTP/1.1\r\nX-HTTP-Method-Override: DELETE",
    "another host": r"GET /v1/models HTTP/1.1\r\nX-Forwarded-Host: 127.0.0.1:{foundry}\r\nForwarded: host=127.0.0.1",
    "an upgrade": r"GET /v1/models HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c",
    "one behind another": r"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/responses HTTP/1.1",
    "one in another's body": r"POST /v1/embeddings HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    r"0\r\n\r\nPOST /shutdown HTTP/1.1",
    "one behind a short body": r"POST /v1/embeddings HTTP/1.1\r\nContent-Length: 0\r\n\r\nPOST /shutdown HTTP/1.1",
    "a length twice": r"POST /v1/embeddings HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n"
    r"GET /v1/responses HTTP/1.1\r\nX: y",
    "an odd chunked": r"POST /v1/embeddings HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"
    r"GET /v1/responses HTTP/1.1",
}
ASK = r"""
trap "" PIPE # a refusal may come before all is sent
exec 3<>/dev/tcp/{where} || {{ echo no way; exit; }}
printf '{request}\r\nHost: host.docker.internal:51211\r\nConnection: close\r\n{headers}\r\n' >&3
status=$(timeout 5 head -c 12 <&3 | tr -d '\0'); echo "${{status:9:3}}" | grep . || echo no answer
"""
OPEN = "timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}' && echo through || echo no way"
ROUTE = r"""perl -e 'use Socket; socket(S, 2, 2, 0) or die;
my $in = sub {{ pack("S n a4 x8", 2, 0, inet_aton($_[0])) }};
my $entry = pack("x8") . $in->("0.0.0.0") . $in->("{gateway}") . $in->("0.0.0.0") . pack("S x70", 3);
print ioctl(S, 0x890B, $entry) ? "through" : "no: $!\n"'"""
SOURCE_ROUTE = r"""perl -e 'use Socket; socket(S, 2, 1, 6) or die;
my $way = pack("C C C a4 a4 x", 131, 11, 4, inet_aton("{gateway}"), inet_aton("{host}"));
setsockopt(S, 0, 4, $way) or do {{ print "no: $!\n"; exit }};
$SIG{{ALRM}} = sub {{ print "no: silence\n"; exit }}; alarm 3;
print connect(S, sockaddr_in({port}, inet_aton("{gateway}"))) ? "through" : "no: $!\n"'"""
RAW = r"""perl -e 'print socket(S, {family}, 3, {protocol}) ? "through" : "no: $!\n"'"""
WRITE = "(echo 1 > {path}) 2>/dev/null && echo through || echo no way"


@dataclass(frozen=True)
class Attempt:
    """One way, as a script for bash that prints what came of it."""

    name: str
    script: str


@dataclass(frozen=True)
class Ground:
    """Where the attempts are made, and by what they would be seen."""

    witness: Witness
    away: Outside
    ends: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def ground(
    settings: Settings, engine: DockerClient, container: Find, bridge: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    with contextlib.ExitStack() as held:
        away = held.enter_context(outside())
        witness = held.enter_context(witnessing(settings, tmp_path_factory.mktemp("witness")))
        ends = {}
        for service in LASTING:
            own = container(service)
            attempts = _attempts(settings, witness, container("gateway"), bridge, of_gateway=service == "gateway")
            with ThreadPoolExecutor(6) as pool:
                said = pool.map(lambda each, name=own.name: _in(name, each.script), attempts)
                ends[service] = dict(zip((each.name for each in attempts), said, strict=True))
        _show(ends)
        yield Ground(witness, away, ends)


@pytest.mark.parametrize("service", LASTING)
def test_no_way_leads_around_the_gateway(ground: Ground, service: str) -> None:
    ends = ground.ends[service]
    assert len(ends) > 50
    assert ends.pop(CONTROL) == "through"
    asked = {name: end for name, end in ends.items() if name.split()[0].isupper()}
    assert asked
    assert {name: end for name, end in asked.items() if end not in REFUSALS} == {}
    tried = {name: end for name, end in ends.items() if name not in asked and name not in DISGUISED}
    assert {name: end for name, end in tried.items() if not end.startswith("no")} == {}


def test_foundry_local_heard_of_none_of_it(ground: Ground) -> None:
    """And would have told: the same calls, made straight to it, stand in its log."""
    calls = ground.witness.calls()
    assert "OpenAIModelList" in calls, "what was disguised as harmless arrived as what it is"
    assert set(calls) <= HARMLESS
    for method, path in (("GET", "/v1/responses"), ("GET", "/v1/responses/resp_1"), ("GET", "/models/unload/none")):
        httpx.request(method, f"{ground.witness.url}{path}", trust_env=False, timeout=20)
    assert set(ground.witness.calls()) - set(calls) == {"OpenAIResponsesList", "OpenAIResponsesGet", "ModelUnload"}


def test_nothing_arrived_outside_but_what_the_gateway_pushed_out_blindly(
    ground: Ground, settings: Settings, container: Find
) -> None:
    networks = container("gateway").attrs["NetworkSettings"]["Networks"]
    gateway = networks[f"{settings.compose_project_name}_edge"]["IPAddress"]
    assert {sender for sender, _ in ground.away.arrived} <= {gateway, NEAR}
    assert ground.away.asked == []


def _attempts(
    settings: Settings, witness: Witness, gateway: Container, bridge: str, *, of_gateway: bool
) -> list[Attempt]:
    foundry = str(urlsplit(witness.url).port)
    own = gateway.attrs["NetworkSettings"]["Networks"]
    private = str(own[f"{settings.compose_project_name}_private"]["IPAddress"])
    door, headers = "host.docker.internal/51211", ""
    if of_gateway:  # it has the token, and asks the relay itself
        door, headers = f"host.docker.internal/{settings.foundry_port}", r"X-Relay-Token: '$(</run/secrets/token)'\r\n"

    def ask(request: str, extra: str = "") -> str:
        filled = request.format(foundry=foundry, model=witness.model).replace("%", "%%")  # it goes through printf
        return ASK.format(where=door, request=filled, headers=headers + extra)

    attempts = [Attempt(call, ask(f"{call} HTTP/1.1")) for call in FORBIDDEN]
    attempts += [
        Attempt(f"{call}, for {host}", ask(f"{call} HTTP/1.1", rf"X-Forwarded-Host: {host}\r\n"))
        for call in ("POST /shutdown", "GET /v1/responses")
        for host in ("localhost", "127.0.0.1")
    ]
    attempts += [Attempt(name, ask(request)) for name, request in DISGUISED.items()]
    places = {(address, foundry) for address in (*host_addresses(), "127.0.0.1", "host.docker.internal")}
    places |= {(METADATA, "7"), (f"{FAR}", "7"), (FAR6, "7"), ("fe80::1%eth0", foundry), (FAR, "53")}
    places |= {(address, str(settings.foundry_port)) for address in host_addresses() if address != bridge}
    places |= {("gateway", "8181"), (private, "8181")}
    if not of_gateway:
        places |= {(bridge, str(settings.foundry_port)), ("host.docker.internal", str(settings.foundry_port))}
    attempts.append(Attempt(CONTROL, OPEN.format(host=door.partition("/")[0], port=door.partition("/")[2])))
    attempts += [
        Attempt(f"connect to {host}, port {port}", OPEN.format(host=host, port=port))
        for host, port in sorted(places)
        if not (of_gateway and port == "8181")
    ]
    if not of_gateway:
        send = f"timeout 3 bash -c 'echo data > /dev/udp/{FAR}/53' && echo no answer || echo no way"
        attempts.append(Attempt("a datagram out", send))
    attempts += [
        Attempt("a name outside", "timeout 15 getent hosts told.outside.test && echo through || echo no such name"),
        Attempt("a route by the gateway", ROUTE.format(gateway=private)),
        Attempt("a source route by the gateway", SOURCE_ROUTE.format(gateway=private, host=FAR, port=7)),
        Attempt("a raw socket", RAW.format(family=2, protocol=1)),
        Attempt("a packet socket", RAW.format(family=17, protocol=768)),
        Attempt("another network namespace", "unshare -Urn true 2>/dev/null && echo through || echo no way"),
        Attempt("the host's network namespace", "nsenter -t 1 -n true 2>/dev/null && echo through || echo no way"),
        Attempt("Docker's socket", "ls /run/docker.sock >/dev/null 2>&1 && echo through || echo no"),
    ]
    knobs = ("ip_forward", "conf/all/accept_source_route", "conf/all/route_localnet")
    return attempts + [Attempt(f"write {knob}", WRITE.format(path=f"/proc/sys/net/ipv4/{knob}")) for knob in knobs]


def _in(name: str, script: str) -> str:
    done = run(["docker", "exec", name, "bash", "-c", script], timeout=60)
    lines = [line for line in done.out.splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"nothing said: {shlex.quote(done.err[-200:])}"


def _show(ends: dict[str, dict[str, str]]) -> None:
    table = Table("way", *ends)
    for name in dict.fromkeys(name for tried in ends.values() for name in tried):
        table.add_row(name, *(tried.get(name, "-") for tried in ends.values()))
    Console(width=160).print(table)
