"""Layer model: Foundry Local knows the configured model and has it loaded."""

from __future__ import annotations

import httpx

from stack.probes.foundry import door_is_ours, foundry_answers
from stack.probes.report import Outcome, Status, failed
from stack.probes.running import Running
from stack.probes.upstream import model_state


async def model_is_loaded(running: Running) -> Outcome:
    """Asked on the host, through the door; where it is not even answered, the layer below says why."""
    settings = running.settings
    try:
        return await model_state(running.http, running.door, wanted_model(running), settings.device)
    except httpx.HTTPError as strange:
        for below in (door_is_ours, foundry_answers):
            outcome = await below(running)
            if outcome.status is Status.FAILED:
                return outcome
        return failed("unknown", f"asked for its models: {type(strange).__name__}: {strange}")


def wanted_model(running: Running) -> str:
    """MODEL, or the id that was chosen for it: a catalog's alias need not be how the id begins."""
    wanted, chosen = running.settings.model, running.foundry_file
    if chosen.get("model") and wanted.casefold() == str(chosen.get("alias")).casefold():
        return str(chosen["model"])
    return wanted
