"""Layer network: the gateway is where the front ends look for it, and it and each of them reach one another."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from docker.models.containers import Container

from stack.probes import nginx_said
from stack.probes.causes import UP
from stack.probes.containers import judge as judge_container
from stack.probes.report import Outcome, Status, degraded, failed, ok
from stack.probes.running import DOOR_INSIDE, Running
from stack.probes.surroundings import CHAINLIT, GATEWAY, OPEN_WEBUI, WEBGPU_STATIC
from stack.probes.way import VIA_GATEWAY, judge
from stack.tools.text import one_line

PAGES_INSIDE = {CHAINLIT: 8000, OPEN_WEBUI: 8080, WEBGPU_STATIC: 8000}
ASK_BY_THEMSELVES = (CHAINLIT, OPEN_WEBUI)  # the demo's page asks from the browser, by way of the gateway
HONOUR_PROXIES = (OPEN_WEBUI,)  # Chainlit's client asks an http:// address itself, whatever its environment says
CHECK_CONFIG = ["nginx", "-t", "-e", "stderr", "-c", "/etc/nginx/nginx.conf"]  # changes nothing
MODEL_SERVER = "host.docker.internal"


async def gateway_listens(running: Running) -> Outcome:
    """The gateway answers on the front ends' network, asked from its own container, so whatever becomes of them."""
    gateway = await existing(running, GATEWAY)
    if isinstance(gateway, Outcome):
        return gateway
    names = {"gateway": str(gateway.name)}
    address = running.address_on_private(gateway)
    if address is None:
        evidence = f"{gateway.name} is not on the network of the front ends, where the name is to lead to it"
        return failed("host-name-missing", evidence, **names)
    if wrong := await _name_leads_elsewhere(running, gateway):
        return wrong
    seen, config = await asyncio.gather(
        running.ask_gateway_itself(gateway, address, "/"), running.in_container(gateway, CHECK_CONFIG)
    )
    outcome = await _or_nobody_listens(running, gateway, judge(seen, [address], **names))
    if outcome.status is Status.OK and (why := nginx_said.rejected(config[1])):
        evidence = f"runs as configured before, and would not start again: {one_line(why, 200)}"
        return degraded("gateway-config-rejected", evidence, container=str(gateway.name), **names)
    return outcome


async def _name_leads_elsewhere(running: Running, gateway: Container) -> Outcome | None:
    """What is wrong with the name by which the front ends know the gateway, as the engine's own resolver has it."""
    names = {"gateway": str(gateway.name)}
    private = f"{running.settings.compose_project_name}_private"
    mine: Mapping[str, Any] = gateway.attrs["NetworkSettings"]["Networks"][private]
    if others := await running.strangers_called(MODEL_SERVER, gateway):
        called = ", ".join(str(each.name) for each in others)
        evidence = f"on the network of the front ends {called} is called {MODEL_SERVER} too"
        fix = "; ".join(f"docker network disconnect --force {private} {each.name}" for each in others)
        return Outcome(Status.FAILED, "host-name-wrong", evidence, names, fix=f"{fix}; {UP}")
    if MODEL_SERVER not in (mine.get("Aliases") or ()):
        evidence = f"on the network of the front ends {gateway.name} is not called {MODEL_SERVER}"
        return failed("host-name-missing", evidence, **names)
    return None


async def front_end_is_connected(running: Running, front_end: str) -> Outcome:  # noqa: PLR0911  (one each)
    """The gateway reaches the front end, and a front end that asks the model by itself reaches the gateway."""
    found = await existing(running, front_end)
    if isinstance(found, Outcome):
        return found
    gateway = await existing(running, GATEWAY)
    if isinstance(gateway, Outcome):
        return gateway
    names = {"container": str(found.name), "gateway": str(gateway.name)}
    if running.address_on_private(found) is None:
        return failed("front-end-cut-off", f"{found.name} is not on the network that the gateway is on", **names)
    if front_end not in ASK_BY_THEMSELVES:
        return await _way_to_page(running, gateway, found, front_end)
    to_page, to_gateway = await asyncio.gather(
        _way_to_page(running, gateway, found, front_end), _way_to_gateway(running, found, gateway, front_end)
    )
    if to_page.status is Status.FAILED:
        return to_page
    if to_gateway.status is Status.FAILED:
        return to_gateway
    return ok(f"{to_gateway.evidence}; {to_page.evidence}")


async def _way_to_gateway(running: Running, front_end: Container, gateway: Container, service: str) -> Outcome:
    """Name, connection and answer, asked with a path that the gateway answers by itself."""
    seen = await running.look_from(front_end, "/")
    names = {"container": str(front_end.name), "gateway": str(gateway.name)}
    outcome = await _or_nobody_listens(running, gateway, judge(seen, _addresses(gateway), **names))
    proxied = outcome.status is Status.OK and seen["proxy"] and service in HONOUR_PROXIES
    if proxied and VIA_GATEWAY not in seen["through_proxy"]:
        evidence = f"its environment sends questions to {MODEL_SERVER} to the proxy {_without_password(seen['proxy'])}"
        return failed("proxy-hijacks-host-name", f"{evidence}: {one_line(seen['through_proxy'], 120)}", **names)
    return outcome


async def _or_nobody_listens(running: Running, gateway: Container, outcome: Outcome) -> Outcome:
    if outcome.cause == "connection-refused" and not await running.listens(gateway, DOOR_INSIDE):
        evidence = f"{outcome.evidence}; no process in the gateway listens on {DOOR_INSIDE}"
        return failed("gateway-down", evidence, **outcome.names)
    return outcome


async def _way_to_page(running: Running, gateway: Container, front_end: Container, service: str) -> Outcome:
    """The way that everything of the page takes: from the gateway to the front end's container."""
    port = PAGES_INSIDE[service]
    names = {"container": str(front_end.name), "gateway": str(gateway.name)}
    tried = f"from the gateway to {service}:{port}"
    match await running.knocks(gateway, service, port):
        case "open":
            return ok(f"{tried}: connects")
        case "refused" if not await running.listens(front_end, port):
            return failed("front-end-down", f"{tried}: refused; no process in {front_end.name} listens there", **names)
        case "refused":
            return failed("front-end-cut-off", f"{tried}: refused, though the front end listens there", **names)
        case "no-name":
            return failed("front-end-cut-off", f"{tried}: the name does not resolve", **names)
    return failed("front-end-cut-off", f"{tried}: no answer", **names)


async def existing(running: Running, service: str) -> Container | Outcome:
    """The service's running container, or what is wrong with it."""
    container = await running.container(service)
    if container is None:
        return failed("container-missing", f"no container of service {service}")
    state = judge_container(container.attrs, gateway=running.name_of(GATEWAY))
    if state.status is Status.FAILED and container.attrs["State"]["Status"] != "running":
        return state
    return container


def _without_password(proxy: str) -> str:
    return re.sub(r"//[^/@]*@", "//", proxy)


def _addresses(gateway: Container) -> list[str]:
    networks: Mapping[str, Any] = gateway.attrs["NetworkSettings"]["Networks"]
    return [network["IPAddress"] for network in networks.values() if network.get("IPAddress")]
