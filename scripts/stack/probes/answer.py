"""Layer answer: a real generated token comes back through a front end, by its own protocol, with a proper end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import httpx
from docker.models.containers import Container
from socketio.exceptions import SocketIOError

from stack.probes import chat, open_webui
from stack.probes.chat import Conversation, judge
from stack.probes.foundry import gateway_reaches_foundry
from stack.probes.model import model_to_ask, why_unanswered
from stack.probes.network import existing
from stack.probes.report import Outcome, Status, failed
from stack.probes.running import CHAINLIT, GATEWAY, MODEL_SERVER_INSIDE, OPEN_WEBUI, Running
from stack.probes.upstream import Answer, first_token
from stack.tools.text import one_line

PAGE_SECONDS = 10.0
HEALTH_SECONDS = 5.0


@dataclass(frozen=True)
class FrontEnd:
    """A page that can be talked with.

    Args:
        healthy: how its ``/health`` answers when all is well.
        converse: asks it one short question.
    """

    service: str
    page: str
    healthy: Any
    converse: Callable[[], Awaitable[Conversation | Outcome]]


async def chat_answers(running: Running) -> Outcome:
    """One short question to the chat."""
    return await _answers(
        running, FrontEnd(CHAINLIT, running.page, {"status": "ok"}, lambda: chat.converse(running.page))
    )


async def open_webui_answers(running: Running) -> Outcome:
    """One short question to Open WebUI, by the account that it has for the probe, in a chat that is deleted again."""
    page = running.open_webui_page
    container = await existing(running, OPEN_WEBUI)
    if isinstance(container, Outcome):
        return container

    async def converse() -> Conversation | Outcome:
        async with httpx.AsyncClient(base_url=page, trust_env=False, timeout=PAGE_SECONDS) as http:
            try:
                user = await _probe_account(running, container, http)
            except open_webui.SignInRefusedError as refused:
                return failed("sign-in-refused", str(refused))
            except open_webui.LockedOutError as too_often:
                return failed("webui-locked-out", str(too_often), seconds=str(too_often.seconds))
            model = await model_to_ask(running, running.door)
            return model if isinstance(model, Outcome) else await open_webui.converse(user, model)

    outcome = await _answers(running, FrontEnd(OPEN_WEBUI, page, {"status": True}, converse))
    return await _or_asks_elsewhere(running, container, outcome) if outcome.cause == "unknown" else outcome


async def _or_asks_elsewhere(running: Running, container: Container, outcome: Outcome) -> Outcome:
    """The way to the model is well: does Open WebUI take it? An administrator can change that on the page."""
    asked = await running.asked_by_open_webui(container)
    ours = f"{MODEL_SERVER_INSIDE}/v1"
    if asked == [ours]:
        return outcome
    evidence = f"Open WebUI asks {', '.join(asked) or 'nobody'}, not {ours}; {outcome.evidence}"
    return failed("webui-connection-changed", evidence, **outcome.names)


async def _probe_account(running: Running, container: Container, http: httpx.AsyncClient) -> open_webui.User:
    """The probe's own account. Its token is kept from probe to probe: Open WebUI takes few sign-ins in a time."""
    known = running.open_webui_token
    user = await open_webui.User.still_signed_in(http, known) if known else None
    if user is None:
        password = await running.secret(container, "probe-password")
        user = await open_webui.User.signed_in(http, open_webui.PROBE_ACCOUNT, password)
        running.keep_open_webui_token(user.token)
    return user


async def _answers(running: Running, front_end: FrontEnd) -> Outcome:
    """A second question after an empty answer: a small model may have nothing to say."""
    outcome = await _once(running, front_end)
    if outcome.cause == "empty-answer":
        outcome = await _once(running, front_end)
    return replace(outcome, names=_names(running, front_end.service) | outcome.names)


async def _once(running: Running, front_end: FrontEnd) -> Outcome:
    try:
        seen = await front_end.converse()
    except (SocketIOError, httpx.HTTPError, TimeoutError) as refused:
        return await _page_is_away(running, front_end, one_line(f"{type(refused).__name__}: {refused}", 160))
    if isinstance(seen, Outcome):
        return seen
    outcome = judge(seen)
    if outcome is None:
        said = f"the page says: {seen.error}" if seen.error else f"no text within {seen.seconds:.0f} s"
        return await _second_opinion(running, said)
    return outcome


async def _page_is_away(running: Running, front_end: FrontEnd, refusal: str) -> Outcome:
    page = front_end.page
    try:
        response = await running.http.get(f"{page}/health", timeout=HEALTH_SECONDS)
    except httpx.ConnectError:
        return failed("page-unreachable", f"nothing listens on {page}")
    except httpx.TimeoutException:
        return failed("front-end-down", f"{page} takes the connection and does not answer")
    except httpx.HTTPError as strange:
        return failed("unknown", f"{page}: {type(strange).__name__}: {strange}; asked a question: {refusal}")
    answer = Answer.of(response)
    if answer.json == front_end.healthy:
        return failed("unknown", f"the page answers, but takes no question: {refusal}")
    if answer.status == 503:
        return failed("front-end-down", f"the gateway says: {answer.in_short}")
    return failed("unknown", f"on {page} answers {answer.in_short}; asked a question: {refusal}")


async def _second_opinion(running: Running, said: str) -> Outcome:
    """The front end only says that something behind it is wrong: ask Foundry Local itself for a token."""
    model = await model_to_ask(running, running.door)
    try:
        direct = await first_token(running.http, running.door, model) if isinstance(model, str) else model
    except httpx.HTTPError as strange:
        direct = await why_unanswered(running, strange, "asked for a token")
    if direct.status is Status.OK:  # the host's way is well; the containers' may not be
        by_the_gateway = await gateway_reaches_foundry(running)
        direct = by_the_gateway if by_the_gateway.status is Status.FAILED else direct
    if direct.status is Status.FAILED and direct.cause != "unknown":
        return replace(direct, evidence=f"{direct.evidence}; {said}")
    return failed("unknown", f"{said}; asked directly, Foundry Local: {direct.evidence}")


def _names(running: Running, service: str) -> dict[str, str]:
    return {
        "container": running.name_of(service),
        "gateway": running.name_of(GATEWAY),
        "log": str(running.foundry_log),
        "port": str(running.settings.foundry_port),
    }
