"""Layer model: Foundry Local knows the configured model, has it loaded, and it says something; or why not."""

from __future__ import annotations

import httpx

from stack.probes.crowd import LATELY_SECONDS
from stack.probes.door import door_is_ours
from stack.probes.foundry import foundry_answers
from stack.probes.report import Outcome, Status, degraded, failed, ok
from stack.probes.running import Running
from stack.probes.upstream import loaded_model, model_state, some_token


async def model_is_loaded(running: Running) -> Outcome:
    """Asked on the host, through the door; where it is not even answered, the layer below says why."""
    settings = running.settings
    try:
        return await model_state(running.http, running.door, wanted_model(running), settings.device)
    except httpx.HTTPError as strange:
        return await why_unanswered(running, strange, "asked for its models")


async def model_answers(running: Running) -> Outcome:
    """A token comes, through a front end or else asked of Foundry Local itself: what then goes wrong does so in all."""
    if came := await running.first_answer.came():
        service, outcome = came
        return ok(f"a token came through {service}", outcome.speed)
    model = await model_to_ask(running, running.http, running.door)
    if isinstance(model, Outcome):
        return model
    try:
        async with running.crowd.asking() as asking:
            token = await some_token(running.http, running.door, model, asking.text_came)
            return await asking.judge(token)
    except httpx.HTTPError as strange:
        return await why_unanswered(running, strange, "asked for a token")


async def why_unanswered(running: Running, strange: httpx.HTTPError, asked: str) -> Outcome:
    """What the layer below says when a question to Foundry Local came to nothing.

    Args:
        strange: how it came to nothing.
        asked: what was asked, for the evidence where the layer below is well.
    """
    for below in (door_is_ours, foundry_answers):
        outcome = await below(running)
        if outcome.status is Status.FAILED or outcome.cause == "busy":
            return outcome
    if isinstance(strange, httpx.TimeoutException) and await running.crowd.are_served(within=LATELY_SECONDS):
        return degraded("busy", f"{asked}: no answer in time, while others got text of theirs")
    return failed("unknown", f"{asked}: {type(strange).__name__} {strange}".strip())


async def model_to_ask(running: Running, http: httpx.AsyncClient, base: str) -> str | Outcome:
    """The id of the model that a question goes to, asked at ``base``; or why there is none."""
    try:
        return await loaded_model(http, base, wanted_model(running))
    except httpx.HTTPError as strange:
        return await why_unanswered(running, strange, f"asked {base} for the loaded models")


def wanted_model(running: Running) -> str:
    """MODEL, or the id that was chosen for it: a catalog's alias need not be how the id begins."""
    wanted, chosen = running.settings.model, running.foundry_file
    if chosen.get("model") and wanted.casefold() == str(chosen.get("alias")).casefold():
        return str(chosen["model"])
    return wanted
