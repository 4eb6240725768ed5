"""The relay's own answers: OpenAI-shaped errors that name the cause and the next step."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from stack.parts.relay.headers import VIA
from stack.parts.relay.rules import Refusal

RETRY_AFTER = "5"  # seconds
TRY_AGAIN = (429, 503)


def error(refusal: Refusal, request_id: str) -> web.Response:
    """The refusal as an answer."""
    return web.json_response(
        body(refusal), status=refusal.status, headers={**headers(refusal), "X-Request-ID": request_id}
    )


def body(refusal: Refusal) -> dict[str, Any]:
    """What OpenAI's clients read as an error."""
    return {"error": {"message": refusal.message, "type": "stack_error", "code": refusal.code}}


def headers(refusal: Refusal) -> dict[str, str]:
    """Whose answer it is, and, where it is not for good, when to try again."""
    again = {"Retry-After": refusal.retry_after or RETRY_AFTER} if refusal.status in TRY_AGAIN else {}
    return {"Via": VIA, "Server": "foundry-stack-relay", **again}


def bad_request() -> Refusal:
    """What was sent is not HTTP as the relay's strict parser knows it."""
    return Refusal(400, "bad-request", "The relay could not read this as an HTTP/1.1 request.")


def too_large(limit: int) -> Refusal:
    """The body is larger than ``limit`` bytes."""
    return Refusal(413, "too-large", f"The request is larger than {limit:,} bytes. Send a shorter conversation.")


def too_slow(seconds: float) -> Refusal:
    """The body did not come to its end in time."""
    return Refusal(408, "too-slow", f"The request did not come to its end within {seconds:.0f} s.")


def too_many(a_second: float) -> Refusal:
    """One sender asks more often than anybody needs to."""
    return Refusal(
        429, "too-many-requests", f"More than {a_second:.0f} requests per second from one address. Try again soon."
    )


def too_many_connections(most: int) -> Refusal:
    """One sender has more connections open than anybody needs."""
    return Refusal(
        429, "too-many-requests", f"More than {most} connections from one address. Close some, or try again."
    )


def not_running(where: str | None) -> Refusal:
    """Nothing listens at ``where``; None: no address was ever written down."""
    place = f" at {where}" if where else ""
    return Refusal(
        503,
        "foundry-not-running",
        f"Foundry Local does not run{place}. Start it with `python3 scripts/foundry.py start`, or everything with "
        "`python3 scripts/up.py`.",
    )


def went_away(where: str) -> Refusal:
    """What listens at ``where`` closed the connection without an answer, or answered something that is not HTTP."""
    return Refusal(
        503,
        "foundry-not-running",
        f"Foundry Local at {where} ended the connection without an answer: it is stopping, or the port is another "
        "program's. See `python3 scripts/foundry.py status`; `python3 scripts/foundry.py start` starts it.",
    )


def own_address(where: str) -> Refusal:
    """Foundry Local's address leads back to the relay."""
    return Refusal(
        503,
        "foundry-not-running",
        f"The address given for Foundry Local, {where}, is the relay's own. Correct FOUNDRY_URL, then "
        "`python3 scripts/up.py`.",
    )


def hangs(where: str, seconds: float) -> Refusal:
    """Something listens at ``where`` and said nothing for ``seconds``."""
    return Refusal(
        504,
        "foundry-hangs",
        f"Foundry Local at {where} gave no answer in {seconds:.0f} s. Restart it: `python3 scripts/foundry.py stop`, "
        "then `python3 scripts/foundry.py start`.",
    )


def busy(where: str, seconds: float, served: int) -> Refusal:
    """What listens at ``where`` did not answer in ``seconds``, while ``served`` others got text of it."""
    return Refusal(
        503,
        "busy",
        f"Foundry Local at {where} gave no answer in {seconds:.0f} s, and was answering {served} others. Try it later.",
    )


def failed() -> Refusal:
    """The relay itself has a defect."""
    return Refusal(500, "unknown", "The relay failed. Its log says more: `.state/<project>/relay.log`.")
