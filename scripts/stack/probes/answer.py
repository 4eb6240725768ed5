"""Layer answer: a real generated token comes back through a front end, by its own protocol, with a proper end."""

from __future__ import annotations

from dataclasses import replace

import httpx
from socketio.exceptions import SocketIOError

from stack.probes.chat import converse, judge
from stack.probes.model import wanted_model
from stack.probes.report import Outcome, Status, failed
from stack.probes.running import CHAINLIT, GATEWAY, Running
from stack.probes.upstream import Answer, first_token, loaded_model
from stack.tools.text import one_line

PAGE_SECONDS = 10.0


async def chat_answers(running: Running) -> Outcome:
    """One short question to the chat; a second one after an empty answer: a small model may have nothing to say."""
    outcome = await _once(running)
    if outcome.cause == "empty-answer":
        outcome = await _once(running)
    return replace(outcome, names=_names(running) | outcome.names)


async def _once(running: Running) -> Outcome:
    try:
        seen = await converse(running.page)
    except (SocketIOError, TimeoutError) as refused:
        return await _page_is_away(running, one_line(f"{type(refused).__name__}: {refused}", 160))
    outcome = judge(seen)
    if outcome is None:
        said = f"the chat says: {seen.error}" if seen.error else f"no text within {seen.seconds:.0f} s"
        return await _second_opinion(running, said)
    return outcome


async def _page_is_away(running: Running, socket_says: str) -> Outcome:
    try:
        response = await running.http.get(f"{running.page}/health", timeout=PAGE_SECONDS)
    except httpx.ConnectError:
        return failed("page-unreachable", f"nothing listens on {running.page}")
    except httpx.TimeoutException:
        return failed("front-end-down", f"{running.page} takes the connection and does not answer")
    except httpx.HTTPError as strange:
        return failed("unknown", f"{running.page}: {type(strange).__name__}: {strange}; its socket: {socket_says}")
    answer = Answer.of(response)
    if answer.json == {"status": "ok"}:
        return failed("unknown", f"the page answers, but its socket does not: {socket_says}")
    if answer.status == 503:
        return failed("front-end-down", f"the gateway says: {answer.in_short}")
    return failed("unknown", f"on {running.page} answers {answer.in_short}; its socket: {socket_says}")


async def _second_opinion(running: Running, said: str) -> Outcome:
    """The front end only says that something behind it is wrong: ask Foundry Local itself for a token."""
    try:
        model = await loaded_model(running.http, running.door, wanted_model(running))
        direct = await first_token(running.http, running.door, model) if isinstance(model, str) else model
    except httpx.HTTPError as strange:
        direct = failed("unknown", f"{type(strange).__name__}: {strange}")
    if direct.status is Status.FAILED and direct.cause != "unknown":
        return replace(direct, evidence=f"{direct.evidence}; {said}")
    return failed("unknown", f"{said}; asked directly, Foundry Local: {direct.evidence}")


def _names(running: Running) -> dict[str, str]:
    return {
        "container": running.name_of(CHAINLIT),
        "gateway": running.name_of(GATEWAY),
        "log": str(running.foundry_log),
        "port": str(running.settings.foundry_port),
    }
