"""Layer foundry: the relay's port, Foundry Local behind it, and the same as the gateway sees it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import psutil

from stack.probes.network import existing, gateway_listens
from stack.probes.report import Outcome, Status, degraded, failed, ok
from stack.probes.running import Running
from stack.probes.surroundings import GATEWAY
from stack.probes.upstream import STATUS_SECONDS, Answer, foundry_status, is_foundry_status, judge_status
from stack.probes.way import VIA_GATEWAY
from stack.tools.text import one_line

VIA_RELAY = "foundry-stack-relay"
EVERYWHERE = ("0.0.0.0", "::", "*")  # noqa: S104  (read, not listened on)


async def door_is_ours(running: Running) -> Outcome:  # noqa: PLR0911  (one each)
    """What listens on the host's port is this stack's relay, or the Foundry Local that it leads to."""
    port = running.settings.foundry_port
    names = {"port": str(port)}
    relay = running.relay
    here = f"127.0.0.1:{port}"
    try:
        answer = await _get(running, f"{running.door}/")
    except httpx.ConnectError:
        return await _nobody_listens(running)
    except httpx.TimeoutException:
        if await _foundry_itself_answers(running):
            return failed("relay-down", f"{here} takes the connection and does not answer; Foundry Local itself does")
        if relay and here in relay.listen:
            return failed("relay-down", f"the relay (process {relay.pid}) does not answer on {here}")
        return failed("foundry-hangs", f"{here} takes the connection and does not answer")
    except httpx.RemoteProtocolError as strange:
        return failed("foundry-port-taken-by-other", f"{here} does not speak HTTP: {strange}{_owner(port)}", **names)
    except httpx.HTTPError as strange:
        return failed("unknown", f"{here}: {type(strange).__name__}: {strange}")
    if VIA_RELAY in answer.via:
        if relay and here in relay.listen:
            return ok(f"relay, process {relay.pid}, listens on {', '.join(relay.listen)}")
        return failed(
            "foundry-port-taken-by-other", f"another project's relay answers on {here}{_owner(port)}", **names
        )
    status = await _get(running, f"{running.door}/status")
    if is_foundry_status(status):
        return _foundry_without_relay(running, port)
    return failed("foundry-port-taken-by-other", f"on {here} answers {answer.in_short}{_owner(port)}", **names)


async def foundry_answers(running: Running) -> Outcome:
    """Foundry Local answers its status through the door on the host; the body is the proof."""
    outcome = await foundry_status(running.http, running.door)
    if outcome.status is Status.OK and (url := running.foundry_file.get("url")):
        whose = "started by up" if running.foundry_file.get("owned") else "the user's own"
        return _not_too_open(replace(outcome, evidence=f"Foundry Local at {url}, {whose}"), urlsplit(url).port)
    return outcome


async def gateway_reaches_foundry(running: Running) -> Outcome:
    """The same status, asked of the gateway from inside its own container, so through gateway, token and relay."""
    gateway = await existing(running, GATEWAY)
    if isinstance(gateway, Outcome):
        return gateway
    address = running.address_on_private(gateway)
    if address is None:
        return await gateway_listens(running)  # says so
    seen = await running.ask_gateway_itself(gateway, address, "/status")
    names = {"gateway": str(gateway.name)}
    if seen["failed_at"]:
        itself = await gateway_listens(running)
        return itself if itself.status is Status.FAILED else await _why_unreachable(running, names)
    if VIA_GATEWAY not in seen["via"]:
        return failed("unknown", f"not the gateway's answer: {seen['status']} {one_line(seen['body'], 120)}")
    answer = Answer(seen["status"], seen["via"], seen["type"], seen["body"])
    outcome = judge_status(answer)
    if outcome.cause == "relay-down":
        return await _why_unreachable(running, names)
    passed = "gateway and relay" if VIA_RELAY in answer.via else "gateway"
    evidence = f"Foundry Local's status comes through {passed}" if outcome.status is Status.OK else outcome.evidence
    return replace(outcome, evidence=evidence, names=names)


async def _why_unreachable(running: Running, names: dict[str, str]) -> Outcome:
    """No status comes through the gateway, though the relay answers on the host's loopback: not listening, or blocked?

    A blocked way shows in two forms: a new connection fails, and one that was open already falls silent.
    """
    gateway = await running.container(GATEWAY)
    relay = running.relay
    for_containers = [address for address in relay.listen if not address.startswith("127.")] if relay else []
    listen = ", ".join(relay.listen) if relay else "nowhere"
    # By address where one is known: Docker may forget an extra host's name when a container changes its networks.
    to = for_containers[0] if for_containers else f"host.docker.internal:{running.settings.foundry_port}"
    host, _, port = to.rpartition(":")
    knock = await running.knocks(gateway, host, int(port)) if gateway else "silent"
    tried = f"from the gateway to {to}"
    match knock:
        case "refused" if for_containers:
            return failed("connection-refused", f"{tried}: refused, though the relay listens there", **names)
        case "refused":
            return failed("relay-down", f"{tried}: refused; the relay listens on {listen}", **names)
        case "no-name":
            return failed("host-name-missing", f"{tried}: the name does not resolve in the gateway", **names)
        case "silent":
            return failed("route-blocked", f"{tried}: no answer; the relay listens on {listen}", **names)
    evidence = f"{tried}: connects, yet the status does not come through the gateway; the relay listens on {listen}"
    return failed("unknown", evidence, **names)


async def _nobody_listens(running: Running) -> Outcome:
    here = f"127.0.0.1:{running.settings.foundry_port}"
    known = running.foundry_file
    if not known:
        return failed("foundry-not-running", f"nothing listens on {here}: `up` has not run yet, or `down` has since")
    if not known.get("owned") and urlsplit(str(known.get("url"))).port == running.settings.foundry_port:
        return failed("foundry-not-running", f"the Foundry Local that was found on {here} is gone")
    return failed("relay-down", f"{here} refuses the connection")


async def _foundry_itself_answers(running: Running) -> bool:
    url = running.foundry_file.get("url")
    if not url or urlsplit(url).port == running.settings.foundry_port:
        return False
    try:
        return is_foundry_status(await _get(running, f"{url}/status"))
    except httpx.HTTPError:
        return False


def _foundry_without_relay(running: Running, port: int) -> Outcome:
    relay = running.relay
    for_containers = f"; relay for the containers on {', '.join(relay.listen)}" if relay else ""
    return _not_too_open(ok(f"Foundry Local itself listens on 127.0.0.1:{port}{for_containers}"), port)


def _not_too_open(fine: Outcome, port: int | None) -> Outcome:
    if port and (address := next((found for found, _ in _listeners(port) if found in EVERYWHERE), None)):
        evidence = f"{fine.evidence}; it listens on {address}, so for everyone on the network"
        return degraded("foundry-on-all-interfaces", evidence, port=str(port))
    return fine


def _owner(port: int) -> str:
    """Who listens on the port, as far as this user may know it, as the end of a sentence."""
    for _, pid in _listeners(port):
        try:
            return f" ({psutil.Process(pid).name()}, process {pid})" if pid else ""
        except psutil.Error:
            return ""
    return ""


def _listeners(port: int) -> list[tuple[str, int | None]]:
    """The addresses, and processes where they may be known, that listen on the TCP port."""
    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.Error:  # macOS tells only root
        return []
    return [
        (str(each.laddr[0]), each.pid)
        for each in found
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr[1] == port
    ]


async def _get(running: Running, url: str) -> Answer:
    return Answer.of(await running.http.get(url, timeout=STATUS_SECONDS))
