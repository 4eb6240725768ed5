"""The user is asked before anything of a chat goes to a cloud for the first time."""

from __future__ import annotations

import chainlit as cl

from chat import preferences

GIVEN_FOR = "cloud-consent"
"""Where Chainlit's session, and a stored chat, keep the host that the user has agreed to."""

SECONDS = 120
SEND, KEEP = "send-to-cloud", "keep-here"


async def may_send(host: str, words: str) -> bool:
    """Whether it may go there: asked once for each chat and host. Who says nothing keeps this question here.

    Args:
        words: why it would go there.
    """
    if cl.user_session.get(GIVEN_FOR) == host:
        return True
    said = await cl.AskActionMessage(
        content=f"May this chat be sent to **{host}**? ({words}.) It gets the whole conversation, and each further "
        "question that is routed there. Otherwise this chat is answered on this machine; its settings can change that.",
        actions=[
            cl.Action(name=SEND, payload={}, label=f"Send it to {host}"),
            cl.Action(name=KEEP, payload={}, label="Keep it on this machine"),
        ],
        timeout=SECONDS,
    ).send()
    chosen = said["name"] if said else None
    if chosen == SEND:
        cl.user_session.set(GIVEN_FOR, host)
    elif chosen == KEEP:
        await preferences.stay_here()
    return bool(chosen == SEND)
