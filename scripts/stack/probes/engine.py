"""Layer engine: the Docker Engine answers, and its Compose plugin is new enough."""

from __future__ import annotations

import asyncio

from stack.parts.plugins import MINIMUM_COMPOSE, compose_version
from stack.probes.report import Outcome, failed, ok
from stack.probes.running import Running


async def engine_answers(running: Running) -> Outcome:
    """The engine answers, and this user may ask it."""
    version = await asyncio.to_thread((await running.engine()).version)
    return ok(f"Docker Engine {version['Version']}")


async def compose_is_new_enough(running: Running) -> Outcome:
    """`docker compose` is there, in a version that understands compose.yaml."""
    found = await asyncio.to_thread(compose_version)
    wanted = ".".join(map(str, MINIMUM_COMPOSE))
    if found is None:
        return failed("compose-too-old", f"no Compose plugin; needed: {wanted}")
    shown = ".".join(map(str, found))
    if found < MINIMUM_COMPOSE:
        return failed("compose-too-old", f"Compose {shown}; needed: {wanted}")
    return ok(f"Compose {shown}")
