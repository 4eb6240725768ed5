"""One answer of the model, as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic

from chat.asking import Ending, Target, completion, stored_response
from chat.conversation import Told
from chat.memory import Memory
from chat.problems import Problem, TooLong, empty_answer, stream_cut
from chat.retries import passes, patiently
from chat.server import Server
from chat.settings import Settings

SHOWN_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Usage:
    """What an answer took; None where it is not known (yet).

    Attributes:
        prompt_tokens: of the conversation, as the server counts them.
        completion_tokens: of the answer; where the server does not say, the pieces that came, which are tokens mostly.
        first_token_seconds: from the question to the first token; None: none came.
        seconds: from the question to the end.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_token_seconds: float | None = None
    seconds: float | None = None


class Answer:
    """The answer of ``model`` to the last message of ``conversation``.

    Args:
        memory: of the chat; without one, nothing is known of it but this question.

    Attributes:
        hit_the_limit: true after the end if the answer is as long as MAX_TOKENS allows and the model had more to say.
        left_out: how many of the oldest questions, with their answers, the model was not told, to make it fit.
        usage: after the end, whatever end it was.
    """

    def __init__(
        self,
        server: Server,
        model: str,
        conversation: Sequence[Told],
        settings: Settings,
        memory: Memory | None = None,
    ) -> None:
        self._target = Target(server, model, settings)
        self._conversation = conversation
        self._memory = memory or Memory()
        self._told: list[Told] = []
        self._ending = Ending()
        self.hit_the_limit = False
        self.left_out = 0
        self.usage = Usage()

    async def pieces(self) -> AsyncGenerator[str]:
        """Yield the text as it comes. Closing the generator closes the connection, and with it ends the model's work.

        A model that is faster than the eye is shown in larger pieces: a page that is redrawn for each of hundreds of
        tokens a second freezes, its Stop button too.

        Raises:
            Problem: as soon as it goes wrong, so perhaps after pieces that are worth keeping.
        """
        unseen, seen_at = "", 0.0
        try:
            async with aclosing(self._tokens()) as tokens:
                async for token in tokens:
                    unseen += token
                    if monotonic() - seen_at >= SHOWN_EVERY_SECONDS:
                        yield unseen
                        unseen, seen_at = "", monotonic()
        except Problem:
            if unseen:
                yield unseen
            raise
        if unseen:
            yield unseen

    def keep(self, text: str) -> None:
        """The answer stands in the chat as ``text``, and the chat goes on from there."""
        self._memory.place.keep(text)
        usage = self.usage
        if usage.prompt_tokens:
            self._memory.window.count(
                self._told, self._target.model, usage.prompt_tokens, usage.completion_tokens or 0, text
            )

    async def _tokens(self) -> AsyncGenerator[str]:
        begun, first_at, count, whole = monotonic(), None, 0, False
        self._memory.window.open()
        self._memory.place.question()
        try:
            try:
                first, rest = await (self._first() if self._target.server.only_chats else patiently(self._first))
            except Problem as problem:
                if problem.cause == "stream-cut":
                    raise stream_cut(begun=False) from problem
                raise
            first_at = monotonic()
            self._memory.window.settle()
            self.left_out = self._memory.window.left_out
            async with aclosing(rest):
                empty, count = not first.strip(), 1
                yield first
                async for token in rest:
                    empty, count = empty and not token.strip(), count + 1
                    yield token
            if self._ending.finish_reason is None:
                raise stream_cut()
            if empty:
                raise empty_answer(self._target.model)
            self.hit_the_limit = self._ending.finish_reason == "length"
            whole = True
        finally:
            self._memory.place.over(whole=whole)
            counted = self._ending.completion_tokens
            self.usage = Usage(
                self._ending.prompt_tokens,
                count if counted is None else counted,
                None if first_at is None else first_at - begun,
                monotonic() - begun,
            )

    async def _first(self) -> tuple[str, AsyncGenerator[str]]:
        """Ask, and wait for the first token: until then it may be asked again."""
        tokens = self._ask()
        try:
            return await anext(tokens), tokens
        except StopAsyncIteration:
            raise (stream_cut() if self._ending.finish_reason is None else empty_answer(self._target.model)) from None

    async def _ask(self) -> AsyncGenerator[str]:
        """Tell less of the conversation until the server does not call it too long."""
        server, model, window = self._target.server, self._target.model, self._memory.window
        refused: TooLong | None = None
        while True:
            told = await window.fit(self._conversation, server, model, self._target.settings.max_tokens)
            if refused and told == self._told:
                raise refused
            self._told = told
            try:
                async with aclosing(self._in_some_way()) as tokens:
                    async for token in tokens:
                        yield token
                return
            except TooLong as too_long:
                refused = too_long
                window.refused(told, server, model, too_long.said)

    async def _in_some_way(self) -> AsyncGenerator[str]:
        """Let the server go on from what it holds of the chat; else, unseen, tell it everything."""
        place, shown = self._memory.place, False
        continuation = await place.take(self._target, self._told)
        while continuation:
            self._ending = Ending()
            coming = stored_response(self._target, continuation, self._ending, place.begun)
            try:
                async with aclosing(coming) as tokens:
                    async for token in tokens:
                        shown = True
                        yield token
                return
            except TooLong:
                raise
            except Problem as problem:
                if shown or passes(problem):
                    raise
                continuation = await place.refused(problem)
        self._ending = Ending()
        coming = completion(self._target, self._told, self._ending)
        async with aclosing(coming) as tokens:
            async for token in tokens:
                yield token
