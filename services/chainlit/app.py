"""A chat with the model that Foundry Local runs on this machine: `chainlit run services/chainlit/app.py -w`."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
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
    marks,
    personas,
    preferences,
    routed,
    server,
    sessions,
    uploads,
    ways,
)
from chat.formulas import with_dollars  # noqa: E402
from chat.kept import keep_chats  # noqa: E402
from chat.leaving import page_left  # noqa: E402
from chat.line import EVERYBODYS  # noqa: E402
from chat.memory import Memory  # noqa: E402
from chat.metrics import Metrics  # noqa: E402
from chat.page import answer_first, close_doors, follow_the_system, open_pages  # noqa: E402
from chat.problems import Problem, unexpected  # noqa: E402
from chat.routed import Asked  # noqa: E402
from chat.store.clock import now  # noqa: E402

counted = Metrics(
    in_line=lambda: EVERYBODYS.length,
    answered=lambda: EVERYBODYS.answered,
    sessions=open_pages,
    providers=routed.states,
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
        await marks.offer(preferences.knobs())
        where, _ = await ways.find_model()
        preferences.keep_up(where)
    except Exception as error:  # here every error becomes words
        await _tell(error)


@cl.on_settings_update
async def set_up(sent: dict[str, Any]) -> None:
    try:
        await preferences.choose(sent)
        await ways.find_model()
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
        await marks.offer(preferences.knobs())
        preferences.keep_up(await server.find(preferences.knobs()))


@cl.on_message
async def answer(question: cl.Message) -> None:
    sessions.answer_begins(cl.context.session)
    reply = cl.Message(content="")
    asked: Asked | None = None
    await again.withdraw()
    try:
        is_another = again.is_wanted()
        memory = _memory()
        memory.place.open()
        knobs = await ways.knobs_for(question, is_another=is_another)
        await marks.take(question, knobs)
        if unreadable := await uploads.take_in(question, ways.room_for_all, knobs):
            for problem in unreadable:
                await _tell(problem)
            if not (question.metadata or {}).get(conversation.ATTACHED):
                return
        asked = ways.asked(question, reply, knobs, memory, counted)
        async with aclosing(asked.pieces()) as pieces:
            async for piece in with_dollars(pieces):
                reply.metadata = reply.metadata or asked.metadata
                # Its place in the conversation when that is resumed.
                reply.created_at = reply.created_at or now()
                await reply.stream_token(piece)
    except asyncio.CancelledError:
        counted.ended("stopped", asked.figures if asked else None)
        await _keep(reply, asked, cut.STOPPED)
        raise
    except Exception as error:
        counted.ended("failed", asked.figures if asked else None)
        await _keep(reply, asked, cut.BROKEN_OFF)
        await _tell(error)
    else:
        coming = asked.answer
        counted.ended("at-the-limit" if coming.hit_the_limit else "complete", asked.figures)
        await _keep(reply, asked)
        coming.keep(reply.content)
        if coming.left_out and coming.left_out != asked.memory.said_left_out:
            asked.memory.said_left_out = coming.left_out
            questions = "question" if coming.left_out == 1 else f"{coming.left_out} questions"
            await cl.Message(type="system_message", content=LEFT_OUT.format(questions=questions)).send()
        if coming.hit_the_limit:
            await cl.Message(type="system_message", content=AT_THE_LIMIT.format(max_tokens=knobs.max_tokens)).send()
        if asked.where:
            preferences.keep_up(asked.where)
    finally:
        sessions.answer_ends(cl.context.session)


async def _keep(reply: cl.Message, asked: Asked | None, mark: str = "") -> None:
    """Make what came of an answer part of the conversation, for the user and for the model."""
    if reply.content and asked and asked.figures:
        if mark:
            await reply.stream_token(cut.marked(reply.content, mark))
        again.offer(reply)
        reply.metadata = {**(reply.metadata or {}), asides.FIGURES: asked.figures.markdown}
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
