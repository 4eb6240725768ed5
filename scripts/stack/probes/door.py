"""The port on the host where Foundry Local is reached: does this stack's relay listen there, or what else?"""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import psutil

from stack.parts.relay.lifecycle import is_relay_of
from stack.probes.listeners import listeners, open_to_others, owner
from stack.probes.report import Outcome, degraded, failed, ok
from stack.probes.running import Running
from stack.probes.upstream import STATUS_SECONDS, Answer, is_foundry_status

VIA_RELAY = "foundry-stack-relay"
TAKEN = "foundry-port-taken-by-other"


async def door_is_ours(running: Running) -> Outcome:
    """What listens on the host's port is this stack's relay, or the Foundry Local that it leads to."""
    try:
        answer = await get(running, f"{running.door}/")
    except httpx.ConnectError as refused:
        return _refuses(running, refused)
    except httpx.ConnectTimeout:
        return _drops(running) or await _is_silent(running)
    except httpx.TimeoutException:
        return await _is_silent(running)
    except httpx.HTTPError as strange:
        return _speaks_no_http(running, strange)
    if VIA_RELAY in answer.via:
        return _a_relay_answers(running)
    return await _not_too_open(running, await _another_server_answers(running, answer))


async def get(running: Running, url: str) -> Answer:
    """The answer there, to be had within `STATUS_SECONDS`."""
    return Answer.of(await running.http.get(url, timeout=STATUS_SECONDS))


def too_open(fine: Outcome, url: str) -> Outcome:
    """What is well stays so, unless Foundry Local at this address lets everyone on the network in."""
    parts = urlsplit(url)
    if parts.port and (address := open_to_others(parts.hostname or "", parts.port)):
        evidence = f"{fine.evidence}; it listens on {address}, so for everyone on the network"
        return degraded("foundry-on-all-interfaces", evidence, port=str(parts.port))
    return fine


def _a_relay_answers(running: Running) -> Outcome:
    relay, here = running.relay, _here(running)
    if relay and here in relay.listen:
        return ok(f"relay, process {relay.pid}, listens on {', '.join(relay.listen)}")
    if process := _relay_without_a_record(running):
        return ok(f"relay, process {process.pid}, listens on {here}; the record of it is lost")
    return _taken(running, f"another project's relay answers on {here}")


def _refuses(running: Running, refused: httpx.ConnectError) -> Outcome:
    """No connection: nobody listens, or something rejects what is sent to the relay that does."""
    here, known = _here(running), running.foundry_file
    if here in (f"{address}:{port}" for address, port in _listened_on(running)):
        return failed("connection-refused", f"{here}: {refused}; yet a program listens there{_owner(running)}")
    if not known:
        return failed("foundry-not-running", f"nothing listens on {here}: `up` has not run yet, or `down` has since")
    if _foundry_is_the_door(running) and not known.get("owned"):
        return failed("foundry-not-running", f"the Foundry Local that was found on {here} is gone")
    return failed("relay-down", f"{here} refuses the connection")


def _drops(running: Running) -> Outcome | None:
    """Not even a connection comes about, though the relay is not stopped in its tracks: something drops it."""
    relay = running.relay
    if relay is None or _is_frozen(relay.pid):
        return None
    return failed("route-blocked", f"a connection to {_here(running)} is not answered, though the relay listens there")


async def _is_silent(running: Running) -> Outcome:
    """Something takes the connection, or at least the kernel for it, and says nothing."""
    here, relay = _here(running), running.relay
    silent = f"{here} takes the connection and does not answer"
    if (relay and here in relay.listen) or _relay_without_a_record(running):
        itself = "; Foundry Local itself does" if await _foundry_itself_answers(running) else ""
        return failed("relay-down", f"{silent}{itself}")
    if _foundry_is_the_door(running):
        return failed("foundry-hangs", silent)
    return _taken(running, f"{silent}; the relay does not run")


def _speaks_no_http(running: Running, strange: httpx.HTTPError) -> Outcome:
    relay, here = running.relay, _here(running)
    seen = f"{here} does not answer as HTTP does: {type(strange).__name__} {strange}".strip()
    if relay and here in relay.listen:
        return failed("relay-down", f"{seen}; it is the relay, process {relay.pid}")
    return _taken(running, seen)


async def _another_server_answers(running: Running, answer: Answer) -> Outcome:
    """It is well where it is the Foundry Local that is used, and no relay stands before it on the host's loopback."""
    here, relay = _here(running), running.relay
    try:
        status = await get(running, f"{running.door}/status")
    except httpx.HTTPError as strange:
        return _taken(running, f"on {here} answers {answer.in_short}, and its status is {type(strange).__name__}")
    if not is_foundry_status(status):
        return _taken(running, f"on {here} answers {answer.in_short}")
    if running.foundry_file and not _foundry_is_the_door(running):
        url = running.foundry_file.get("url")
        return _taken(running, f"on {here} answers a Foundry Local, but not that of this stack, which is at {url}")
    for_containers = f"; relay for the containers on {', '.join(relay.listen)}" if relay else ""
    return ok(f"Foundry Local itself listens on {here}{for_containers}")


async def _not_too_open(running: Running, outcome: Outcome) -> Outcome:
    return too_open(outcome, running.door) if outcome.cause is None else outcome


async def _foundry_itself_answers(running: Running) -> bool:
    url = running.foundry_file.get("url")
    if not url or _foundry_is_the_door(running):
        return False
    try:
        return is_foundry_status(await get(running, f"{url}/status"))
    except httpx.HTTPError:
        return False


def _foundry_is_the_door(running: Running) -> bool:
    """Whether the Foundry Local that is used listens on the host's port itself."""
    return urlsplit(str(running.foundry_file.get("url"))).port == running.settings.foundry_port


def _taken(running: Running, seen: str) -> Outcome:
    return failed(TAKEN, f"{seen}{_owner(running)}", port=str(running.settings.foundry_port))


def _relay_without_a_record(running: Running) -> psutil.Process | None:
    for _, pid in listeners(running.settings.foundry_port):
        try:
            process = psutil.Process(pid) if pid else None
            if process and is_relay_of(running.settings, process.cmdline()):
                return process
        except psutil.Error:
            continue
    return None


def _is_frozen(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except psutil.Error:
        return False


def _listened_on(running: Running) -> list[tuple[str, int]]:
    port = running.settings.foundry_port
    return [(address, port) for address, _ in listeners(port)]


def _here(running: Running) -> str:
    return f"127.0.0.1:{running.settings.foundry_port}"


def _owner(running: Running) -> str:
    return owner(running.settings.foundry_port)
