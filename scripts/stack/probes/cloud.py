"""The way to the cloud, where one is set: as `.env` has it, open for the chat alone, and leading to who it should be.

Nothing is asked of the cloud here that could cost something: a connection is begun and ended. Whether it answers is
seen from what became of the last question, in the relay's log and in the chat's own counts.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from docker.models.containers import Container

from stack.parts import cloud_way
from stack.parts.relay import cloud
from stack.parts.relay.cloud import Cloud
from stack.parts.relay.rules import CLOUD
from stack.probes.causes import CATALOGUE
from stack.probes.network import existing
from stack.probes.report import Outcome, degraded, ok
from stack.probes.running import Running
from stack.probes.surroundings import CHAINLIT, GATEWAY

CONNECT_SECONDS = 5.0
METRICS_SECONDS = 5.0
LATELY = timedelta(minutes=15)
LOG_BYTES = 200_000  # of its end
RESTS = 'foundry_chat_provider_state{place="cloud",state="open"} 1.0'


def is_set(running: Running) -> bool:
    """Whether there is anything to ask about."""
    if running.settings.cloud is not None:
        return True
    try:
        return cloud_way.file(running.settings).exists()
    except PermissionError:  # another user's stack; what is asked of the engine says so
        return False


async def way_is_well(running: Running) -> Outcome:
    """What can be known of the way and of who is at its end."""
    wanted = running.settings.cloud
    if wanted is None:
        evidence = "CLOUD_URL in .env names none, and the relay still knows of one"
        return degraded("cloud-left-open", evidence)
    gateway, chat = await existing(running, GATEWAY), await existing(running, CHAINLIT)
    if isinstance(gateway, Outcome):
        return gateway
    if isinstance(chat, Outcome):
        return chat
    laid = _laid(cloud_way.file(running.settings))
    if wrong := _not_as_configured(running, laid, gateway, chat):
        return degraded("cloud-not-configured", wrong)
    assert laid is not None  # noqa: S101  (else it were not as configured)
    if await _tokens(running, gateway, chat) != {laid.token}:
        return degraded("cloud-not-allowed", "chat, gateway and relay do not all have the same token for the cloud")
    return (
        await _connects(laid)
        or of_the_log(_end_of(running.settings.state / "relay.log"), _since(running), datetime.now(UTC))
        or await _rests(running, chat)
        or ok(f"{wanted.host} proves to be it, and nobody was refused there lately")
    )


def _laid(file: Path) -> Cloud | None:
    try:
        return cloud.parse(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _not_as_configured(running: Running, laid: Cloud | None, gateway: Container, chat: Container) -> str | None:
    settings = running.settings
    if laid is None:
        return "the relay knows of no cloud, though CLOUD_URL is set"
    if (laid.address, laid.key) != (settings.cloud, settings.cloud_api_key.get_secret_value()):
        return "the relay knows another address or key than .env has now"
    if "CLOUD_DOOR=open" not in _environment(gateway):
        return "the gateway was started without the way to the cloud"
    if not any(each.startswith("CLOUD_URL=") for each in _environment(chat)):
        return "the chat was started without the way to the cloud"
    return None


def _environment(container: Container) -> list[str]:
    environment: list[str] = container.attrs["Config"].get("Env") or []
    return environment


async def _tokens(running: Running, *containers: Container) -> set[str]:
    try:
        return {await running.secret(container, cloud_way.TOKEN[1]) for container in containers}
    except LookupError:
        return set()


async def _connects(laid: Cloud) -> Outcome | None:
    """Begin a connection as the relay would, and end it: without a word."""
    address = laid.address
    trust = laid.trust if address.encrypted else None
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(address.host, address.port, ssl=trust)
    except ssl.SSLError as untrusted:
        return degraded("cloud-not-trusted", f"{address.host}: {untrusted.reason or untrusted}")
    except TimeoutError:
        return degraded("cloud-down", f"{address.host}: no connection within {CONNECT_SECONDS:.0f} s")
    except OSError as away:
        return degraded("cloud-down", f"{address.host}: {away.strerror or away}")
    writer.transport.abort()
    return None


def of_the_log(lines: list[str], since: datetime, now: datetime) -> Outcome | None:
    """What became of the last question, if that was lately and it did not end well.

    Args:
        since: what came before was asked of another cloud, or with another key.
    """
    for line in reversed(lines):
        entry = _entry(line)
        if entry.get("path") != CLOUD:
            continue
        when = datetime.fromisoformat(str(entry["time"]))
        cause = str(entry.get("cause"))
        if when < max(since, now - LATELY) or cause not in CATALOGUE or not cause.startswith("cloud-"):
            return None
        return degraded(cause, f"the last question that went there, at {when:%H:%M:%S} UTC, ended so")
    return None


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _end_of(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _since(running: Running) -> datetime:
    return datetime.fromtimestamp(cloud_way.file(running.settings).stat().st_mtime, UTC)


async def _rests(running: Running, chat: Container) -> Outcome | None:
    try:
        answer = await running.http.get(f"{running.page}/metrics", timeout=METRICS_SECONDS)
    except httpx.HTTPError:
        return None  # others ask after the page
    if RESTS not in answer.text:
        return None
    return degraded(
        "cloud-rests", "the chat has had no answer there several times, and waits", container=str(chat.name)
    )
