"""What a user has chosen for a chat: where it is kept, and the panel of settings where it is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import chainlit as cl
from chainlit.input_widget import InputWidget, NumberInput, Select, Slider, TextInput

from chat import choices, marks, model, personas, settings, switch
from chat.choices import LABELS, SWITCH, Chosen
from chat.context import limit_of
from chat.model import LISTED, Models
from chat.problems import LOAD, Problem
from chat.server import Server, find
from chat.settings import HOTTEST, Settings, Switch

# Where Chainlit's session keeps it. What JSON can hold stays with a stored chat, so the choices do.
CHOSEN = "chosen"
SHOWN = "models in the panel"
POSITIONS = {"As configured": "as-configured", "On this machine": "local", "On this machine, private": "private"}


def knobs() -> Settings:
    """The settings of this chat: everybody's, what its persona sets of them, and what its user has chosen.

    Raises:
        Problem: ``bad-setting``.
    """
    own = {SWITCH: position} if (position := switch.of_page()) else {}
    return _base().model_copy(update={**_chosen(), **own})


async def choose(sent: Mapping[str, Any]) -> None:
    """Keep what the user has set, from the next message on.

    Args:
        sent: as the page sends it.

    Raises:
        Problem: ``bad-choice``, ``model-not-loaded`` and the like; then everything stays as it was, but the switch:
            that needs nobody to work, least of all while the model on this machine is away.
    """
    try:
        chosen = choices.understood(sent, _base())
        if (position := sent.get(SWITCH)) and position != knobs().switch:
            await _turn(position)
        if chosen.keys() & {"model", "max_tokens"}:
            await _ask_whether_it_works(_base().model_copy(update=chosen))
        cl.user_session.set(CHOSEN, {name: value for name, value in chosen.items() if name != SWITCH})
    finally:
        await _show_panel(_shown())  # it shows what is in use, also where something else was refused
    await cl.context.emitter.send_toast(_said(chosen), "success")


async def stay_here() -> None:
    """The user wants this chat to be answered on this machine."""
    if knobs().switch == "as-configured":
        await switch.turn("local")
    await _show_panel(_shown())


async def heed_other_pages() -> None:
    """The chat may be open on another page, too, where its switch was turned."""
    now = knobs()
    if now.cloud_url and await switch.heed(now.switch):
        await _show_panel(_shown())


def keep_up(server: Server) -> None:
    """Show the panel of settings if there is news for it, such as a model that has been loaded.

    Behind the user's back: who has an answer need not wait for a list of models, nor hear that it failed.
    """

    async def show_news() -> None:
        with suppress(Problem):
            models = await model.offered(server)
            if models != cl.user_session.get(SHOWN):
                await _show_panel(models)

    task = asyncio.create_task(show_news())
    _at_work.add(task)
    task.add_done_callback(_at_work.discard)


_at_work: set[asyncio.Task[None]] = set()


async def _show_panel(models: Models) -> None:
    cl.user_session.set(SHOWN, models)
    await cl.ChatSettings(_widgets(_base(), knobs(), models)).send()


def _shown() -> Models:
    """The models that the panel offers; none before it was first shown."""
    return cl.user_session.get(SHOWN) or Models((), ())


async def _ask_whether_it_works(knobs: Settings) -> None:
    server = await find(knobs)
    try:
        which = await model.which(server, knobs.model)
    except Problem as not_there:
        not_there.private = True  # what is chosen can be anything
        raise
    choices.check_room(knobs.max_tokens, await limit_of(server, which))


async def _turn(position: Switch) -> None:
    await switch.turn(position)
    if position == "private":
        await marks.take_what_is_under_way()


def _base() -> Settings:
    persona = personas.named(cl.user_session.get("chat_profile"))
    return settings.load().model_copy(update=persona.settings)


def _chosen() -> Chosen:
    return cl.user_session.get(CHOSEN) or {}


def _widgets(base: Settings, now: Settings, models: Models) -> list[InputWidget]:
    usual = f"As set for everybody ({base.model})"
    answering = {usual: base.model, **{loaded: loaded for loaded in models.loaded if loaded != base.model}}
    answering |= {now.model: now.model} if now.model not in answering.values() else {}
    widgets: list[InputWidget] = [
        Select(
            id="model",
            label=LABELS["model"],
            items=answering,
            initial_value=now.model,
            description=_others(models),
        ),
        Slider(
            id="temperature",
            label=LABELS["temperature"],
            initial=now.temperature,
            min=0,
            max=HOTTEST,
            step=0.1,
            description="0: the most probable answer. Higher: more surprising, and sooner nonsense.",
        ),
        Slider(
            id="top_p",
            label=LABELS["top_p"],
            initial=now.top_p,
            min=0.05,
            max=1,
            step=0.05,
            description="Below 1: only the likeliest words are considered. Means nothing at temperature 0.",
        ),
        NumberInput(
            id="max_tokens",
            label=LABELS["max_tokens"],
            initial=now.max_tokens,
            description="So much of what the model takes is kept free for the answer, lost to the conversation.",
        ),
        TextInput(
            id="system_prompt",
            label=LABELS["system_prompt"],
            initial=now.system_prompt or "",
            multiline=True,
            placeholder="What the model is told before the conversation",
        ),
    ]
    return [*widgets, _switch(now)] if now.cloud_url else widgets


def _switch(now: Settings) -> InputWidget:
    return Select(
        id=SWITCH,
        label=LABELS[SWITCH],
        items=POSITIONS,
        initial_value=now.switch,
        description="Private: on this machine only, and what was said so stays here when you change this again.",
    )


def _others(models: Models) -> str | None:
    if not models.others:
        return None
    names = ", ".join(models.others[:LISTED])
    more = f" and {len(models.others) - LISTED} more" if len(models.others) > LISTED else ""
    return (
        f"Known, but not loaded: {names}{more}. A command on this machine loads one, and your next message brings it "
        f"into this list: {LOAD} {models.others[0]}"
    )


def _said(chosen: Chosen) -> str:
    if not chosen:
        return "From the next message on, everything is as set for everybody."
    return f"From the next message on: {', '.join(LABELS[name] for name in chosen)} as you set it."
