"""Layer answer: a real generated token comes back through a front end, by its own protocol, with a proper end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import httpx
from socketio.exceptions import SocketIOError

from stack.probes import causes, chat, open_webui
from stack.probes.chat import Conversation, judge
from stack.probes.crowd import Asking
from stack.probes.report import Outcome, Status, degraded, failed, ok
from stack.probes.sign_in import LockedOutError, SignInRefusedError
from stack.probes.surroundings import CHAINLIT, OPEN_WEBUI, WEBGPU_STATIC, Page, Surroundings
from stack.probes.upstream import Answer, first_token, some_token
from stack.tools.text import one_line

HEALTH_SECONDS = 5.0
HEALTHY = {CHAINLIT: {"status": "ok"}, OPEN_WEBUI: {"status": True}}
"""How a page's ``/health`` answers when all is well."""


@dataclass(frozen=True)
class FrontEnd:
    """A page that can be talked with.

    Args:
        converse: asks it one short question, and says how far it has come.
    """

    service: str
    page: Page
    converse: Callable[[Asking], Awaitable[Conversation | Outcome]]


async def chat_answers(around: Surroundings) -> Outcome:
    """One short question to the chat."""
    page = around.page(CHAINLIT)
    # What the chat shows first may hold more than a token, and what it has sent when it is stopped is a few more.
    enough = chat.ENOUGH if around.tokens is None else 1

    async def converse(asking: Asking) -> Conversation | Outcome:
        async with page.client() as http:
            user = await _signed_in_to_the_chat(around, http)
            if isinstance(user, Outcome):
                return user
            return await chat.converse(user, enough=enough, asking=asking)

    return await _answers(around, FrontEnd(CHAINLIT, page, converse))


async def _signed_in_to_the_chat(around: Surroundings, http: httpx.AsyncClient) -> chat.User | Outcome:
    if not await chat.asks_for_a_password(http):
        return failed("chainlit-auth-misconfigured", "the page does not ask for a name and a password")
    try:
        return await around.chat_user(http)
    except (SignInRefusedError, LockedOutError) as refused:
        return failed("sign-in-refused", str(refused))


async def open_webui_answers(around: Surroundings) -> Outcome:
    """One short question to Open WebUI, by an account that it has for that, in a chat that is deleted again."""
    page = around.page(OPEN_WEBUI)

    async def converse(asking: Asking) -> Conversation | Outcome:
        async with page.client() as http:
            chosen = await _user_and_model(around, http)
            if isinstance(chosen, Outcome):
                return chosen
            user, model = chosen
            return await open_webui.converse(user, model, max_tokens=around.tokens, asking=asking)

    outcome = await _answers(around, FrontEnd(OPEN_WEBUI, page, converse))
    return replace(outcome, fix=causes.CONTEXT_IN_OPEN_WEBUI) if outcome.cause == "context-too-long" else outcome


async def _user_and_model(around: Surroundings, http: httpx.AsyncClient) -> tuple[open_webui.User, str] | Outcome:
    """Who asks Open WebUI, and what is chosen there to be answered by the model; or what stands in the way."""
    try:
        user = await around.open_webui_user(http)
    except SignInRefusedError as refused:
        return failed("sign-in-refused", str(refused))
    except LockedOutError as too_often:
        return failed("webui-locked-out", str(too_often), seconds=str(too_often.seconds))
    if isinstance(user, Outcome):
        return user
    if await open_webui.sign_in_is_hidden(http):
        return failed("webui-sign-in-hidden", "the page shows nothing to sign in with")
    model = await around.model_to_ask(around.http, around.door)
    chosen = await _chosen(user, model) if isinstance(model, str) else model
    return (user, chosen) if isinstance(chosen, str) else chosen


async def _chosen(user: open_webui.User, model: str) -> str | Outcome:
    if chosen := await user.offered_as(model):
        return chosen
    offered = ", ".join((await user.models())[:5]) or "none at all"
    return failed("webui-model-missing", f"Open WebUI does not offer {model}; it offers {offered}")


async def demo_answers(around: Surroundings) -> Outcome:
    """The demo's page is whole, and a real token comes through its own address."""
    page = around.page(WEBGPU_STATIC)
    async with page.client() as http:
        try:
            whole = await around.demo_is_whole(http)
        except (httpx.ConnectError, httpx.ConnectTimeout) as unreachable:
            return _unreachable(around, WEBGPU_STATIC, unreachable)
        except httpx.DecodingError as damaged:
            evidence = f"{damaged.request.url.path} can't be unpacked: {damaged}"
            return failed("webgpu-file-corrupt", evidence, **around.names(WEBGPU_STATIC))
        except httpx.TimeoutException:
            evidence = f"{page.url} takes the connection and does not answer"
            return failed("front-end-down", evidence, **around.names(WEBGPU_STATIC))
        token = whole if whole.status is Status.FAILED else await _token_through(around, http, page)
    if token.status is Status.FAILED:
        return replace(token, names=around.names(WEBGPU_STATIC) | token.names)
    return replace(token, evidence=f"{whole.evidence}; through it, {token.evidence}")


async def page_is_there(around: Surroundings, service: str) -> Outcome:
    """The page answers about itself as it does when all is well; no token is asked for."""
    page = around.page(service)
    try:
        async with page.client() as http:
            answer = Answer.of(await http.get("/health", timeout=HEALTH_SECONDS))
    except (httpx.ConnectError, httpx.ConnectTimeout) as unreachable:
        return _unreachable(around, service, unreachable)
    except httpx.TimeoutException:
        return failed("front-end-down", f"{page.url} takes the connection and does not answer", **around.names(service))
    if answer.status == 200 and answer.json == HEALTHY[service]:
        return ok("its page answers")
    if answer.status == 503:
        return failed("front-end-down", f"the gateway says: {answer.in_short}", **around.names(service))
    return failed("unknown", f"on {page.url} answers {answer.in_short}", **around.names(service))


def _unreachable(around: Surroundings, service: str, error: httpx.TransportError) -> Outcome:
    """The page's address takes no connection at all, whatever is behind it."""
    url, names = around.page(service).url, around.names(service)
    if isinstance(error, httpx.ConnectTimeout):
        return failed("page-unreachable", f"a connection to {url} is not answered: packets are dropped", **names)
    return failed("page-unreachable", f"{url} refuses the connection", **names)


async def _token_through(around: Surroundings, http: httpx.AsyncClient, page: Page) -> Outcome:
    model = await around.model_to_ask(http, page.url)
    if isinstance(model, Outcome):
        return model
    try:
        async with around.crowd.asking() as asking:
            return await asking.judge(await some_token(http, page.url, model, asking.text_came))
    except httpx.HTTPError as strange:
        return await around.why_unanswered(strange, f"asked {page.url} for a token")


async def _answers(around: Surroundings, front_end: FrontEnd) -> Outcome:
    """A second question after an empty answer: a small model may have nothing to say."""
    outcome = await _once(around, front_end)
    if outcome.cause == "empty-answer":
        outcome = await _once(around, front_end)
    return replace(outcome, names=around.names(front_end.service) | {"models": "one that is loaded"} | outcome.names)


async def _once(around: Surroundings, front_end: FrontEnd) -> Outcome:
    async with around.crowd.asking() as asking:
        return await asking.judge(await _talk(around, front_end, asking))


async def _talk(around: Surroundings, front_end: FrontEnd, asking: Asking) -> Outcome:
    try:
        seen = await front_end.converse(asking)
    except (SocketIOError, httpx.HTTPError, TimeoutError) as refused:
        asked = one_line(f"asked a question: {type(refused).__name__}: {refused}", 160)
        return await _why_no_question_is_taken(around, front_end.service, asked)
    if isinstance(seen, Outcome):
        return seen
    if seen.timed_out and seen.text and await asking.others_were_served():
        said = f"{seen.pieces} pieces of text, and no end within {seen.seconds:.0f} s"
        return degraded("busy", f"{said}, while others got text of theirs")
    if seen.timed_out and seen.before is not None and await asking.others_were_served():
        said = f"after {seen.seconds:.0f} s in the chat's line {seen.before} are still before us"
        return degraded("busy", f"{said}, while others got text of theirs")
    outcome = judge(seen)
    if outcome is None:
        said = f"the page says: {seen.error}" if seen.error else f"no text within {seen.seconds:.0f} s"
        return await _second_opinion(around, said)
    return outcome


async def _why_no_question_is_taken(around: Surroundings, service: str, asked: str) -> Outcome:
    try:
        there = await page_is_there(around, service)
    except httpx.HTTPError as strange:
        return failed("unknown", f"{around.page(service).url}: {type(strange).__name__}: {strange}; {asked}")
    if there.status is Status.OK:
        return failed("unknown", f"the page answers, but takes no question: {asked}")
    return replace(there, evidence=f"{there.evidence}; {asked}") if there.cause == "unknown" else there


async def _second_opinion(around: Surroundings, said: str) -> Outcome:
    """The front end only says that something behind it is wrong: ask Foundry Local itself for a token."""
    model = await around.model_to_ask(around.http, around.door)
    try:
        direct = await _straight(around, model) if isinstance(model, str) else model
    except httpx.HTTPError as strange:
        direct = await around.why_unanswered(strange, "asked for a token")
    if direct.status is Status.OK:  # the way from here is well; the front ends' may not be
        theirs = await around.way_of_the_pages()
        direct = theirs if theirs.status is Status.FAILED else direct
    if direct.cause not in (None, "unknown"):
        return replace(direct, evidence=f"{direct.evidence}; {said}")
    return failed("unknown", f"{said}; asked directly, Foundry Local: {direct.evidence}")


async def _straight(around: Surroundings, model: str) -> Outcome:
    async with around.crowd.asking() as asking:
        return await asking.judge(await first_token(around.http, around.door, model, asking.text_came))
