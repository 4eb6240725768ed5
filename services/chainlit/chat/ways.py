"""How a question of this page is asked: with which settings, of which model on this machine, in which turn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import chainlit as cl

from chat import again, asides, consent, conversation, marked, model, preferences, server, sessions
from chat.checks import is_check
from chat.context import ASSUMED_LIMIT, limit_of
from chat.line import EVERYBODYS
from chat.memory import Memory
from chat.metrics import Metrics
from chat.problems import Problem
from chat.retries import patiently
from chat.routed import Asked, Ways
from chat.routing.decision import Question
from chat.settings import Settings
from chat.shared import Shared

_looks: Shared[str] = Shared()


def asked(question: cl.Message, reply: cl.Message, knobs: Settings, memory: Memory, counted: Metrics) -> Asked:
    """The question with all that is told with it, and how it is asked."""
    who = cl.context.session.user
    ways = Ways(
        find=lambda: find_model(patient=True),
        turn=lambda: _turn(question, reply, knobs),
        knobs=lambda: knobs_for(question),
        may_send=consent.may_send,
        chat=cl.context.session.thread_id,
        user=who.identifier if who else None,
        is_check=_is_check(question),
        counted=counted,
    )
    messages = cl.chat_context.get()
    told = conversation.for_model(conversation.up_to(question, messages), knobs.system_prompt)
    # What is not known for sure to be all that the chat says, and all that is sent, stays.
    is_known = (
        sessions.is_whole(cl.context.session)
        and bool(told)
        and told[-1]["content"] == conversation.with_files(question)
    )
    routable = Question(
        question.content,
        earlier=[each["content"] for each in told[:-1]],
        files=[(question.metadata or {}).get(conversation.ATTACHED, "")],
        marked_private=marked.any_in([*messages, question]) or not is_known,
    )
    return Asked(routable, told, knobs, memory, ways)


async def knobs_for(question: cl.Message, *, is_another: bool = False) -> Settings:
    """The chat's. The probe and the monitor want to know whether this machine answers, and cost nothing."""
    await preferences.heed_other_pages()
    knobs = preferences.knobs()
    if marked.any_in([question, *(each for each in cl.chat_context.get() if each.id == question.id)]):
        knobs = knobs.model_copy(update={"switch": "private"})
    if _is_check(question):
        knobs = knobs.model_copy(update={"switch": "local"})
    return again.more_surprising(knobs) if is_another else knobs


async def room_for_all() -> int:
    """How many tokens the model on this machine takes; an assumption where the cloud could answer in its place."""
    try:
        return await limit_of(*await find_model(patient=True))
    except Problem:
        if preferences.knobs().cloud_url is None:
            raise
        return ASSUMED_LIMIT


async def find_model(*, patient: bool = False) -> tuple[server.Server, str]:
    """Ask again for each message: what was missing may be there now. Tells the user who answers when that is news."""

    async def look() -> tuple[server.Server, str]:
        where = await server.find(knobs)
        return where, await _looks.look((where, knobs.model), lambda: model.which(where, knobs.model))

    knobs = preferences.knobs()
    try:
        where, which = await (patiently(look) if patient else look())
    except BaseException:
        cl.user_session.set("told", None)
        raise
    told, now_told = cl.user_session.get("told"), [where.root, which]  # a list, as it comes back when a chat is resumed
    cl.user_session.set("told", now_told)
    if told != now_told:
        # The system's, so that it stands on the start screen and does not end it.
        await cl.Message(type="system_message", content=f"**{which}** answers you, from `{where.root}`.").send()
    return where, which


@asynccontextmanager
async def _turn(question: cl.Message, reply: cl.Message, knobs: Settings) -> AsyncIterator[float]:
    """A turn in the line; while it is waited for, the page says how many are before. Gives the seconds it took."""
    place = asides.Place(reply, cl.context.emitter)
    try:
        async with EVERYBODYS.turn(place.show, knobs, is_check=_is_check(question)) as waited:
            await place.gone()
            yield waited
    finally:
        await place.gone()


def _is_check(question: cl.Message) -> bool:
    who = cl.context.session.user
    return is_check(who.identifier if who else None, question.author)
