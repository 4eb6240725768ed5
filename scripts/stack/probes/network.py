"""Layer network: from inside a front end's container the model server's name leads to the gateway, which answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from docker.models.containers import Container

from stack.probes.containers import judge as judge_container
from stack.probes.report import Outcome, Status, failed, ok
from stack.probes.running import GATEWAY, Running
from stack.tools.text import one_line

VIA_GATEWAY = "foundry-stack-gateway"
PORT_INSIDE = 51211


async def way_leads_to_gateway(running: Running, front_end: str) -> Outcome:
    """Name, connection and answer, asked with a path that the gateway answers by itself."""
    found = await existing(running, front_end)
    if isinstance(found, Outcome):
        return found
    gateway = await running.container(GATEWAY)
    seen = await running.look_from(found, "/")
    addresses = _addresses(gateway) if gateway else ()
    outcome = judge(seen, addresses, container=str(found.name), gateway=running.name_of(GATEWAY))
    if gateway and outcome.cause == "connection-refused" and not await running.listens(gateway, PORT_INSIDE):
        evidence = f"{outcome.evidence}; no process in the gateway listens on {PORT_INSIDE}"
        return failed("gateway-down", evidence, **outcome.names)
    return outcome


def judge(seen: Mapping[str, Any], gateway_addresses: Sequence[str], **names: str) -> Outcome:  # noqa: PLR0911
    """What was seen on the way (by `inside.look`) means.

    Args:
        gateway_addresses: what the name may resolve to; empty where that is not known.
        names: fill the blanks of a fix.
    """
    to = ", ".join(seen["addresses"])
    match seen["failed_at"]:
        case "name":
            return failed("host-name-missing", seen["error"], **names)
        case "connect" | "answer" if gateway_addresses and not set(seen["addresses"]) <= set(gateway_addresses):
            return failed(
                "host-name-wrong", f"resolves to {to}, the gateway is {', '.join(gateway_addresses)}", **names
            )
        case "connect" if "refused" in seen["error"].lower():
            return failed("connection-refused", f"{to}: {seen['error']}", **names)
        case "connect":
            return failed("route-blocked", f"{to}: {seen['error']}", **names)
        case "answer":
            return failed("gateway-down", f"{to} takes the connection, then: {seen['error']}", **names)
    if VIA_GATEWAY in seen["via"]:
        return ok(f"{to} answers after {seen['connect_seconds'] * 1000:.0f} ms as the gateway")
    if gateway_addresses and not set(seen["addresses"]) <= set(gateway_addresses):
        return failed("host-name-wrong", f"resolves to {to}, the gateway is {', '.join(gateway_addresses)}", **names)
    return failed("unknown", f"{to} answers, but not as the gateway: {seen['status']} {one_line(seen['body'], 120)}")


async def existing(running: Running, service: str) -> Container | Outcome:
    """The service's running container, or what is wrong with it."""
    container = await running.container(service)
    if container is None:
        return failed("container-missing", f"no container of service {service}")
    state = judge_container(container.attrs, gateway=running.name_of(GATEWAY))
    if state.status is Status.FAILED and container.attrs["State"]["Status"] != "running":
        return state
    return container


def _addresses(gateway: Container) -> list[str]:
    networks: Mapping[str, Any] = gateway.attrs["NetworkSettings"]["Networks"]
    return [network["IPAddress"] for network in networks.values() if network.get("IPAddress")]
