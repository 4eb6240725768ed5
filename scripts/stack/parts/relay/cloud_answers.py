"""The relay's answers about the cloud: stable codes, so that the chat and the probe can say what helps."""

from __future__ import annotations

import re

from stack.parts.relay.rules import Refusal
from stack.tools.text import one_line

QUOTED = 300  # characters of what the cloud says
IT_SAYS = " The cloud says: "  # the chat shows what stands behind it: services/chainlit/chat/problems.py
UP = "`python3 scripts/up.py`"
RETRY_AFTER = re.compile(r"[0-9]{1,4}")
TOO_LONG = "context_length_exceeded"


def not_configured() -> Refusal:
    """Nobody has set up a cloud, so there is no such call."""
    return Refusal(
        404,
        "cloud-not-configured",
        f"No cloud is set up, so nothing leaves this machine. To have one: CLOUD_URL in `.env`, then {UP}.",
    )


def not_allowed() -> Refusal:
    """Somebody else than the chat asks, or the chat with another stack's token."""
    return Refusal(
        403,
        "cloud-not-allowed",
        "Only this stack's chat may ask the cloud, and this request did not bring its token. If it is the chat that is "
        f"refused: {UP} gives chat, gateway and relay the same one.",
    )


def down(host: str, why: str) -> Refusal:
    """No connection, or no answer."""
    return Refusal(503, "cloud-down", f"The cloud at {host} can't be reached: {why}.")


def hangs(host: str, seconds: float) -> Refusal:
    """It was asked and said nothing."""
    return Refusal(504, "cloud-hangs", f"The cloud at {host} gave no answer in {seconds:.0f} s.")


def not_trusted(host: str, why: str) -> Refusal:
    """Who answers there has no certificate that this machine trusts for that name."""
    return Refusal(
        502,
        "cloud-not-trusted",
        f"Who answers at {host} can't prove to be it: {why}. Nothing was sent. Correct CLOUD_URL; where a company's "
        f"proxy opens TLS: SSL_CERT_FILE=/path/to/bundle.pem python3 scripts/up.py",
    )


def of_status(host: str, status: int, *, code: str, said: str, retry_after: str) -> Refusal:
    """What the cloud's own refusal means.

    Args:
        code: the cloud's own; empty where it has none.
        said: its words, `quoted`.
        retry_after: when to come again, as it says; empty where it does not.
    """
    again = retry_after if RETRY_AFTER.fullmatch(retry_after) else None
    match status:
        case 401 | 403:
            message = (
                f"The cloud at {host} does not let the key in ({status}). Correct CLOUD_API_KEY in `.env`, then {UP}."
            )
            return Refusal(502, "cloud-key-wrong", message + said)
        case 429:
            message = f"The cloud at {host} has been asked too much, or has nothing left to be asked for (429).{said}"
            return Refusal(429, "cloud-busy", message, again)
        case 400 | 413 | 422 if code == TOO_LONG:
            return Refusal(400, "context-too-long", f"The cloud's model can't take in so much (context length).{said}")
        case 400 | 402 | 413 | 422:
            return Refusal(400, "cloud-refused", f"The cloud at {host} refused the question ({status}).{said}")
        case _ if status >= 500 or status == 408:
            return Refusal(503, "cloud-down", f"The cloud at {host} has trouble of its own ({status}).{said}", again)
        case _:
            message = f"What answers at {host} is no model server, or has no such model ({status})."
            message += f" Correct CLOUD_URL or CLOUD_MODEL in `.env`, then {UP}.{said}"
            return Refusal(502, "cloud-address-wrong", message)


def quoted(said: str, *secrets: str) -> str:
    """The cloud's words for the end of a message: one short line without the secrets; empty where there are none."""
    for secret in filter(None, secrets):
        said = said.replace(secret, "...")
    return f"{IT_SAYS}{one_line(said, QUOTED)}" if said.strip() else ""
