"""How much text a model takes (a stand-in: careful guesses)."""

from __future__ import annotations

from chat.server import Server

BYTES_A_TOKEN = 3
CONTEXT = 4096


def tokens_in(text: str) -> int:
    """No fewer than any model would count."""
    return -(-len(text.encode(errors="replace")) // BYTES_A_TOKEN)


async def limit_of(server: Server, model_id: str) -> int:
    """The model's context, in tokens."""
    return CONTEXT
