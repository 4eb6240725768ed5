"""A chat with the model that Foundry Local runs on this machine: `chainlit run services/chainlit/app.py -w`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import chainlit as cl
from chainlit.types import ThreadDict

from chat.home import make_home

make_home()

from chat import (  # noqa: E402
    again,
    asides,
    conversation,
    cut,
    endpoints,
    held,
    model,
    personas,
    preferences,
    server,
    sessions,
    settings,
    uploads,
)
from chat.answer import Answer  # noqa: E402
from chat.checks import is_check  # noqa: E402
from chat.figures import Figures  # noqa: E402
from chat.formulas import with_dollars  # noqa: E402
from chat.kept import keep_chats  # noqa: E402
from chat.leaving import page_left  # noqa: E402
from chat.line import EVERYBODYS  # noqa: E402
from chat.memory import Memory  # noqa: E402
from chat.metrics import Metrics  # noqa: E402
from chat.page import answer_first, close_doors, follow_the_system, open_pages  # noqa: E402
from chat.problems import Problem, unexpected  # noqa: E402
from chat.retries import patiently  # noqa: E402
from chat.shared import Shared  # noqa: E402
from chat.store.clock import now  # noqa: E402

looks: Shared[str] = Shared()
counted = Metrics(
    in_line=lambda: EVERYBODYS.length,
    answered=lambda: EVERYBODYS.answered,
    sessions=open_pages,
)
close_doors()
answer_first(endpoints.routes(counted))
sessions.look_after()
keep_chats()  # after all that answers the page, which it guards
follow_the_system()
uploads.accept_files()

log = logging.getLogger("chat")
logging.getLogger("httpx2").setLevel(logging.WARNING)  # not a line for each request

MEMORY = "memory"
AT_THE_LIMIT = "*The answer reached the limit of {max_tokens} tokens, see the chat's settings. Say “go on” for more.*"
LEFT_OUT = (
    "*Only the newer part of this chat fits what the model can take in at once: it was not told your first "
    "{questions} and what was answered.*"
)


@cl.set_chat_profiles
async def profiles(_user: cl.User | None) -> list[cl.ChatProfile]:
    with suppress(Problem):  # the chat itself says it, here nobody would see it
        return [
            cl.ChatProfile(
                name=persona.name,
                markdown_description=persona.description,
                default=number == 0,
                starters=[cl.Starter(label=starter.label, message=starter.message) for starter in persona.starters],
            )
            for number, persona in enumerate(personas.load())
        ]
    return []


@cl.on_chat_start
async def say_who_answers() -> None:
    try:
        where, _ = await _find_model()
        preferences.keep_up(where)
    except Exception as error:  # here every error becomes words
        await _tell(error)


@cl.on_settings_update
async def set_up(sent: dict[str, Any]) -> None:
    try:
        await preferences.choose(sent)
        await _find_model()
    except Exception as error:
        await _tell(error)


@cl.on_app_startup
async def clean_up() -> None:
    held.clean_up()


@cl.on_app_shutdown
async def let_go() -> None:
    await held.let_go()


@cl.on_chat_end
async def leave() -> None:
    page_left(cl.context.session, EVERYBODYS)
    if isinstance(memory := cl.user_session.get(MEMORY), Memory):
        await memory.end()


@cl.action_callback(again.NAME)
async def answer_again(_action: cl.Action) -> None:
    again.ask()


@cl.on_chat_resume
async def go_on(thread: ThreadDict) -> None:
    """All that was said is told to the model again; who answers is said with the next answer, where that is news."""
    cl.chat_context.clear()  # a page that was away and is back is told everything once more, and so would the model be
    thread["steps"] = asides.with_figures(thread["steps"])
    with suppress(Problem):  # the next question will show what is wrong
        preferences.keep_up(await server.find(preferences.knobs()))


@cl.on_message
async def answer(question: cl.Message) -> None:
    sessions.answer_begins(cl.context.session)
    reply = cl.Message(content="")
    figures: Figures | None = None
    await again.withdraw()
    try:
        is_another = again.is_wanted()
        memory = _memory()
        memory.place.open()
        knobs = again.more_surprising(preferences.knobs()) if is_another else preferences.knobs()
        where, which = await _find_model(patient=True)
        if unreadable := await uploads.take_in(question, where, which, knobs):
            for problem in unreadable:
                await _tell(problem)
            if not (question.metadata or {}).get(conversation.ATTACHED):
                return
        reply.metadata = {conversation.ANSWER: which}
        told = conversation.for_model(cl.chat_context.get(), knobs.system_prompt)
        async with _turn(question, reply, knobs) as waited:
            coming = Answer(where, which, told, knobs, memory)
            figures = Figures(which, where.root, coming, waited)
            async with aclosing(coming.pieces()) as pieces:
                async for piece in with_dollars(pieces):
                    # Its place in the conversation when that is resumed.
                    reply.created_at = reply.created_at or now()
                    await reply.stream_token(piece)
    except asyncio.CancelledError:
        counted.ended("stopped", figures)
        await _keep(reply, figures, cut.STOPPED)
        raise
    except Exception as error:
        counted.ended("failed", figures)
        await _keep(reply, figures, cut.BROKEN_OFF)
        await _tell(error)
    else:
        counted.ended("at-the-limit" if coming.hit_the_limit else "complete", figures)
        await _keep(reply, figures)
        coming.keep(reply.content)
        if coming.left_out and coming.left_out != memory.said_left_out:
            memory.said_left_out = coming.left_out
            questions = "question" if coming.left_out == 1 else f"{coming.left_out} questions"
            await cl.Message(type="system_message", content=LEFT_OUT.format(questions=questions)).send()
        if coming.hit_the_limit:
            await cl.Message(type="system_message", content=AT_THE_LIMIT.format(max_tokens=knobs.max_tokens)).send()
        preferences.keep_up(where)
    finally:
        sessions.answer_ends(cl.context.session)


@asynccontextmanager
async def _turn(question: cl.Message, reply: cl.Message, knobs: settings.Settings) -> AsyncIterator[float]:
    """A turn in the line; while it is waited for, the page says how many are before. Gives the seconds it took."""
    place = asides.Place(reply, cl.context.emitter)
    who = cl.context.session.user
    check = is_check(who.identifier if who else None, question.author)
    try:
        async with EVERYBODYS.turn(place.show, knobs, is_check=check) as waited:
            await place.gone()
            yield waited
    finally:
        await place.gone()


async def _find_model(*, patient: bool = False) -> tuple[server.Server, str]:
    """Ask again for each message: what was missing may be there now. Tells the user who answers when that is news."""

    async def look() -> tuple[server.Server, str]:
        where = await server.find(knobs)
        return where, await looks.look((where, knobs.model), lambda: model.which(where, knobs.model))

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


async def _keep(reply: cl.Message, figures: Figures | None, mark: str = "") -> None:
    """Make what came of an answer part of the conversation, for the user and for the model."""
    if reply.content and figures:
        if mark:
            await reply.stream_token(cut.marked(reply.content, mark))
        again.offer(reply)
        reply.metadata = {**(reply.metadata or {}), asides.FIGURES: figures.markdown}
        await reply.send()
        await asides.show_figures(reply, cl.context.emitter)


def _memory() -> Memory:
    memory = cl.user_session.get(MEMORY)
    if not isinstance(memory, Memory):  # also where the chat was taken up again from what could be saved of it
        memory = Memory()
        cl.user_session.set(MEMORY, memory)
    return memory


async def _tell(error: Exception) -> None:
    if not isinstance(error, Problem):
        log.error("This should not happen", exc_info=error)
        error = unexpected(error)
    log.warning("%s: %s", error.cause, "(quotes the user)" if error.private else error.what)
    counted.told(error.cause)
    await cl.ErrorMessage(content=error.markdown).send()
