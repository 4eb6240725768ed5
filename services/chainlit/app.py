"""A chat with the model that Foundry Local runs on this machine: `chainlit run services/chainlit/app.py -w`."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import Any

import chainlit as cl

from chat.home import make_home

make_home()

from chat import conversation, model, personas, preferences, server, uploads  # noqa: E402
from chat.answer import Answer  # noqa: E402
from chat.formulas import with_dollars  # noqa: E402
from chat.page import close_doors, follow_the_system  # noqa: E402
from chat.problems import Problem, unexpected  # noqa: E402

close_doors()
follow_the_system()
uploads.accept_files()

log = logging.getLogger("chat")
logging.getLogger("httpx2").setLevel(logging.WARNING)  # not a line for each request

STOPPED = "\n\n*(stopped)*"
BROKEN_OFF = "\n\n*(broken off)*"
AT_THE_LIMIT = "*The answer reached the limit of {max_tokens} tokens, see the chat's settings. Say “go on” for more.*"


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


@cl.on_message
async def answer(question: cl.Message) -> None:
    # Stop cancels this task, also when Chainlit runs it for an edited question and forgets to note it.
    cl.context.session.current_task = asyncio.current_task()
    reply = cl.Message(content="")
    try:
        knobs = preferences.knobs()
        where, which = await _find_model()
        if unreadable := await uploads.take_in(question, where, which, knobs):
            for problem in unreadable:
                await _tell(problem)
            return
        reply.metadata = {conversation.ANSWER: which}
        told = conversation.for_model(cl.chat_context.get(), knobs.system_prompt)
        coming = Answer(where, which, told, knobs)
        async with aclosing(coming.pieces()) as pieces:
            async for piece in with_dollars(pieces):
                await reply.stream_token(piece)
    except asyncio.CancelledError:
        await _keep(reply, STOPPED)
        raise
    except Exception as error:
        await _keep(reply, BROKEN_OFF)
        await _tell(error)
    else:
        await _keep(reply)
        if coming.hit_the_limit:
            await cl.Message(content=AT_THE_LIMIT.format(max_tokens=knobs.max_tokens)).send()
        preferences.keep_up(where)


async def _find_model() -> tuple[server.Server, str]:
    """Ask again for each message: what was missing may be there now. Tells the user who answers when that is news."""
    told = cl.user_session.get("told")
    cl.user_session.set("told", None)
    knobs = preferences.knobs()
    where = await server.find(knobs)
    which = await model.which(where, knobs.model)
    if told != (where.root, which):
        # The system's, so that it stands on the start screen and does not end it.
        await cl.Message(type="system_message", content=f"**{which}** answers you, from `{where.root}`.").send()
    cl.user_session.set("told", (where.root, which))
    return where, which


async def _keep(reply: cl.Message, mark: str = "") -> None:
    """Make what came of an answer part of the conversation, for the user and for the model."""
    if reply.content:
        await reply.stream_token(mark)
        await reply.send()


async def _tell(error: Exception) -> None:
    if not isinstance(error, Problem):
        log.error("This should not happen", exc_info=error)
        error = unexpected(error)
    log.warning("%s: %s", error.cause, "(quotes the user)" if error.private else error.what)
    await cl.ErrorMessage(content=error.markdown).send()
