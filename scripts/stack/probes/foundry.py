"""Layer foundry: Foundry Local behind the relay's port (see `door`), and the same as the gateway sees it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import httpx

from stack.parts import state
from stack.probes import causes
from stack.probes.door import TAKEN, VIA_RELAY, get, too_open
from stack.probes.listeners import owner
from stack.probes.network import existing, gateway_listens
from stack.probes.report import Outcome, Status, failed
from stack.probes.running import Running
from stack.probes.surroundings import GATEWAY
from stack.probes.upstream import Answer, foundry_status, judge_status
from stack.probes.way import VIA_GATEWAY
from stack.tools.text import one_line


async def foundry_answers(running: Running) -> Outcome:
    """Foundry Local answers its status through the door on the host; the body is the proof."""
    outcome = await foundry_status(running.http, running.door)
    url = running.foundry_file.get("url")
    if outcome.status is Status.OK and url:
        whose = "started by up" if running.foundry_file.get("owned") else "the user's own"
        return too_open(replace(outcome, evidence=f"Foundry Local at {url}, {whose}"), url)
    if outcome.cause in (TAKEN, "foundry-not-running") and url:
        return await _who_is_there(running, url, outcome)
    return outcome


async def _who_is_there(running: Running, url: str, outcome: Outcome) -> Outcome:
    """Where Foundry Local should be is nobody, or somebody else; which of the two, the relay can't always know."""
    port = urlsplit(url).port or 80
    if outcome.cause == "foundry-not-running":
        try:
            await get(running, f"{url}/status")
            return outcome
        except (httpx.ConnectError, httpx.TimeoutException):
            return outcome
        except httpx.HTTPError as strange:
            evidence = f"what listens at {url} does not answer as HTTP does: {type(strange).__name__} {strange}"
            outcome = failed(TAKEN, evidence.strip())
    if running.foundry_file.get("owned"):
        return _of_our_own(running, outcome)
    return replace(outcome, evidence=f"{outcome.evidence}{owner(port)}", fix=causes.OTHER_THAN_FOUNDRY)


def _of_our_own(running: Running, strange: Outcome) -> Outcome:
    """The Foundry Local that `up` started has ended, and its port is another's now; or it has lost its wits."""
    known = running.foundry_file
    if state.is_alive(int(known.get("pid") or 0), float(known.get("started") or 0)):
        return failed("unknown", f"Foundry Local runs (process {known['pid']}), but {strange.evidence}")
    evidence = f"the Foundry Local that `up` started is gone, and another program has its port: {strange.evidence}"
    return failed("foundry-not-running", evidence)


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
        return itself if itself.status is Status.FAILED else await _why_unreachable(running, names, seen["error"])
    if VIA_GATEWAY not in seen["via"]:
        return failed("unknown", f"not the gateway's answer: {seen['status']} {one_line(seen['body'], 120)}")
    answer = Answer(seen["status"], seen["via"], seen["type"], seen["body"])
    outcome = judge_status(answer)
    if outcome.cause == "relay-down":
        return await _why_unreachable(running, names, outcome.evidence)
    passed = "gateway and relay" if VIA_RELAY in answer.via else "gateway"
    evidence = f"Foundry Local's status comes through {passed}" if outcome.status is Status.OK else outcome.evidence
    return replace(outcome, evidence=evidence, names=names)


async def _why_unreachable(  # noqa: PLR0911  (one each)
    running: Running, names: dict[str, str], said: str
) -> Outcome:
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
    leads_to = await running.addresses_of("host.docker.internal", gateway) if gateway else []
    if gateway and leads_to == [running.address_on_private(gateway)]:
        evidence = "the gateway does not know the host: there host.docker.internal is the gateway itself"
        return failed("host-name-missing", evidence, **names)
    if for_containers and leads_to and host not in leads_to:
        evidence = f"in the gateway host.docker.internal is {', '.join(leads_to)}; the relay listens on {listen}"
        return failed("host-name-wrong", evidence, container=names["gateway"], **names)
    evidence = f"{tried}: connects, yet no status comes through the gateway ({said}); the relay listens on {listen}"
    return failed("unknown", evidence, **names)
