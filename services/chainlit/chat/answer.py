"""One answer of the model, as it comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from time import monotonic

import openai
from openai.types.chat import ChatCompletionMessageParam

from chat.problems import Problem, empty_answer, from_openai, not_a_stream, stream_cut, unreadable
from chat.server import Server
from chat.settings import Settings

SHOWN_EVERY_SECONDS = 0.05


class Answer:
    """The answer of ``model`` to the last message of ``conversation``."""

    def __init__(
        self, server: Server, model: str, conversation: Sequence[ChatCompletionMessageParam], settings: Settings
    ) -> None:
        self._server = server
        self._model = model
        self._conversation = conversation
        self._settings = settings
        self.hit_the_limit = False
        """True after the end if the answer is as long as MAX_TOKENS allows and the model had more to say."""

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

    async def _tokens(self) -> AsyncGenerator[str]:
        finish_reason: str | None = None
        empty = True
        try:
            stream = await self._server.client.chat.completions.create(
                model=self._model,
                messages=self._conversation,
                temperature=self._settings.temperature,
                top_p=self._settings.top_p,
                max_tokens=self._settings.max_tokens,
                stream=True,
            )
        except openai.OpenAIError as error:
            raise from_openai(error, root=self._server.root, model=self._model) from error
        try:
            async with stream:
                if "event-stream" not in stream.response.headers.get("content-type", ""):
                    body = (await stream.response.aread()).decode(errors="replace")
                    raise not_a_stream(body, root=self._server.root, model=self._model)
                async for chunk in stream:
                    for choice in chunk.choices[:1]:  # none in a usage chunk
                        finish_reason = choice.finish_reason or finish_reason
                        if choice.delta.content:
                            empty = empty and not choice.delta.content.strip()
                            yield choice.delta.content
        except openai.APIConnectionError as gone:
            raise stream_cut() from gone
        except openai.OpenAIError as error:  # the server's own word in the stream, under status 200
            raise from_openai(error, root=self._server.root, model=self._model) from error
        except (ValueError, TypeError, AttributeError) as noise:  # no JSON, or none of an answer
            raise unreadable(self._server.root) from noise
        if finish_reason is None:
            raise stream_cut()
        if empty:
            raise empty_answer(self._model)
        self.hit_the_limit = finish_reason == "length"
