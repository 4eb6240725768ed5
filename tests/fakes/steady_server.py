"""Foundry Local's stand-in with an exact speed, whose answers are a function of the question: a process of its own.

    PYTHONPATH=tests:services/chainlit python -m fakes.steady_server PORT SECONDS_TO_FIRST_TOKEN TOKENS_PER_SECOND

Each token is due at its own time from the question on, so that a late one makes no later ones late. 0 tokens per
second: as fast as they are taken. An answer is as long as `max_tokens` says.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Iterator

from chat.context import IMPOSSIBLE
from fakes.foundry import SSE_HEADERS, Received, _choice, _chunk, _event
from fakes.model_server import ModelServer

ENDLESS = 1_000_000  # tokens of context: no session's conversation is ever cut


def answer_to(question: str, tokens: int) -> Iterator[str]:
    """The answer to the question; no two questions have the same."""
    for number in range(tokens):
        yield hashlib.sha256(f"{number} {question}".encode()).hexdigest()[:6] + " "


class SteadyServer(ModelServer):
    """Listens while its context is open.

    Args:
        first: seconds from the question to the first token.
        rate: tokens per second from then on; 0: without a limit.
    """

    def __init__(self, port: int, first: float, rate: float) -> None:
        super().__init__()
        self.port = port
        self.stored.context_length = ENDLESS
        self._first = first
        self._rate = rate

    async def _chat(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        asked = received.json
        if asked["max_tokens"] == IMPOSSIBLE:
            return await super()._chat(received, writer)
        self.requests.clear()  # thousands are not kept
        question, tokens = str(asked["messages"][-1]["content"]), int(asked["max_tokens"])
        clock = asyncio.get_running_loop().time
        begun = clock()
        writer.write(SSE_HEADERS.encode() + _chunk(_event(_choice({"content": "", "role": "assistant"}, None))))
        for number, token in enumerate(answer_to(question, tokens)):
            due = begun + self._first + (number / self._rate if self._rate else 0)
            if (early := due - clock()) > 0:
                await asyncio.sleep(early)
            if received.client_left.is_set():
                return False
            writer.write(_chunk(_event(_choice({"content": token}, None))))
            await writer.drain()
        usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
        end = [_event(_choice({}, "length")), _event({"choices": [], "usage": usage}), b"data: [DONE]\n\n"]
        writer.write(b"".join(_chunk(event) for event in end) + b"0\r\n\r\n")
        await writer.drain()
        return True


async def _serve_for_ever(port: int, first: float, rate: float) -> None:
    async with SteadyServer(port, first, rate):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve_for_ever(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
