"""A chat with the model that Foundry Local runs on this machine: `chainlit run services/chainlit/app.py -w`."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import chainlit as cl
from chainlit.types import ThreadDict

from chat.home import make_home

make_home()

from chat import conversation, model, server, settings  # noqa: E402
from chat.answer import Answer  # noqa: E402
from chat.formulas import with_dollars  # noqa: E402
from chat.kept import keep_chats  # noqa: E402
from chat.page import close_doors, follow_the_system  # noqa: E402
from chat.problems import Problem, unexpected  # noqa: E402
from chat.store.clock import now  # noqa: E402

close_doors()
keep_chats()
follow_the_system()

log = logging.getLogger("chat")
logging.getLogger("httpx2").setLevel(logging.WARNING)  # not a line for each request

STOPPED = "\n\n*(stopped)*"
BROKEN_OFF = "\n\n*(broken off)*"
AT_THE_LIMIT = "*The answer reached the limit of {max_tokens} tokens (`MAX_TOKENS`). Say “go on” for more.*"


STARTERS = {
    "Ask for a fact": "What is the capital of Poland?",
    "Have something explained": "What is a language model? Explain it in three sentences.",
    "Have some code written": "Write a Python function that says whether a word is a palindrome.",
}


@cl.set_starters
async def starters(_user: cl.User | None) -> list[cl.Starter]:
    return [cl.Starter(label=label, message=message) for label, message in STARTERS.items()]


@cl.on_chat_start
async def say_who_answers() -> None:
    try:
        await _find_model()
    except Exception as error:  # here every error becomes words
        await _tell(error)


@cl.on_chat_resume
async def go_on(_thread: ThreadDict) -> None:
    """All that was said is told to the model again; who answers is said with the next answer, where that is news."""


@cl.on_message
async def answer(question: cl.Message) -> None:
    # Stop cancels this task, also when Chainlit runs it for an edited question and forgets to note it.
    cl.context.session.current_task = asyncio.current_task()
    reply = cl.Message(content="")
    try:
        knobs = settings.load()
        where, which = await _find_model()
        reply.metadata = {conversation.ANSWER: which}
        told = conversation.for_model(cl.chat_context.get(), knobs.system_prompt)
        coming = Answer(where, which, told, knobs)
        async with aclosing(coming.pieces()) as pieces:
            async for piece in with_dollars(pieces):
                reply.created_at = reply.created_at or now()  # its place in the conversation when that is resumed
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


async def _find_model() -> tuple[server.Server, str]:
    """Ask again for each message: what was missing may be there now. Tells the user who answers when that is news."""
    told = cl.user_session.get("told")
    cl.user_session.set("told", None)
    knobs = settings.load()
    where = await server.find(knobs)
    which = await model.which(where, knobs.model)
    if told != [where.root, which]:
        # The system's, so that it stands on the start screen and does not end it.
        await cl.Message(type="system_message", content=f"**{which}** answers you, from `{where.root}`.").send()
    cl.user_session.set("told", [where.root, which])  # a list, as it comes back when the chat is resumed
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
    log.warning("%s: %s", error.cause, error.what)
    await cl.ErrorMessage(content=error.markdown).send()
