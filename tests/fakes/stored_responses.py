"""Foundry Local's `/v1/responses` as 2.2.1 was seen to answer: what it sends, what it stores, what it forgets.

Seen of the real one (SmolLM2, November 2026), and so here:
- With `store` a response can be continued by `previous_response_id`, as often as wanted, by one message or several.
  `instructions` are not remembered.
- Too long a prompt is a `response.failed` under status 200, and leaves everything as it was; without streaming a 400.
- A client that leaves in the midst of an answer leaves nothing stored. An answer cut by `max_output_tokens` is stored.
- `DELETE` takes what was continued from a response with it.
- A previous response that is not there is a 404, streaming or not.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Messages = list[dict[str, Any]]

STATUS = {"stop": "completed", "length": "incomplete"}


@dataclass
class Stored:
    """One response in memory; ``told`` is the whole conversation up to its answer, without instructions."""

    response: dict[str, Any]
    told: Messages


class Gone(Exception):  # noqa: N818  (an answer, not a defect)
    """The previous response is not there."""


class TooLong(Exception):  # noqa: N818
    """Prompt and answer together are more than the model takes."""


class StoredResponses:
    """What this Foundry Local holds.

    Args:
        model: the id of its model.
        context_length: in tokens; here a token is a word, and each message costs one more.
    """

    def __init__(self, model: str, context_length: int = 8192) -> None:
        self.model = model
        self.context_length = context_length
        self.held: dict[str, Stored] = {}
        self.fails_after: int | None = None
        """So many tokens of an answer come before it fails."""
        self._numbers = itertools.count(1)

    def restart(self) -> None:
        """Forget everything, as a new process does."""
        self.held.clear()

    def budget(self, told: object, most: object) -> int:
        """Count the prompt's tokens; of what is no conversation, none.

        Raises:
            TooLong: with Foundry Local's own words.
        """
        messages = [message for message in told if isinstance(message, dict)] if isinstance(told, list) else []
        prompt = sum(len(str(message.get("content")).split()) + 1 for message in messages)
        answer = most if isinstance(most, int) else 0
        if prompt + answer > self.context_length:
            raise TooLong(
                "search_options.cc:108 int fl::ValidateGeneratorRequestBudget(int64_t, int, int) request requires "
                f"{prompt + answer} total tokens ({prompt} input + {answer} output), which exceeds the model's "
                f"maximum context length of {self.context_length} tokens"
            )
        return prompt

    def begin(self, asked: dict[str, Any]) -> Answering:
        """Take a question.

        Raises:
            Gone: the previous response is not there.
        """
        previous = asked.get("previous_response_id")
        if previous is not None and str(previous) not in self.held:
            raise Gone(
                f"Previous response not found: Conversation history for '{previous}' is no longer available; resend "
                "the full conversation in 'input'"
            )
        told = list(self.held[previous].told) if previous else []
        given = asked["input"]
        told += given if isinstance(given, list) else [{"role": "user", "content": given}]
        return Answering(self, asked, told, f"resp_{next(self._numbers):032x}")

    def delete(self, response_id: str) -> bool:
        """Whether it was there; what continues it goes with it."""
        if response_id not in self.held:
            return False
        del self.held[response_id]
        followers = [each for each, it in self.held.items() if it.response["previous_response_id"] == response_id]
        for follower in followers:
            self.delete(follower)
        return True

    def listing(self) -> dict[str, Any]:
        """The newest first, in full text, for whoever asks."""
        responses = [it.response for it in reversed(self.held.values())]
        ends = {"first_id": responses[0]["id"], "last_id": responses[-1]["id"]} if responses else {}
        return {"data": responses, **ends, "has_more": False, "object": "list"}


@dataclass
class Answering:
    """A response in the making."""

    store: StoredResponses
    asked: dict[str, Any]
    told: Messages
    id: str

    def whole(self, tokens: Sequence[str], finish: str = "stop") -> dict[str, Any]:
        """Without streaming, finished at once.

        Raises:
            TooLong
        """
        prompt = self._budget()
        response = self._response(STATUS[finish], "".join(tokens), prompt, len(tokens))
        self._keep(response)
        return response

    def events(self, tokens: Iterable[str], finish: str = "stop") -> Iterator[bytes]:
        """Streaming; what has not been taken to its end is not stored."""
        number = itertools.count()
        message = "msg_1"

        def event(kind: str, **more: Any) -> bytes:
            body = {**more, "sequence_number": next(number), "type": kind}
            return f"event: {kind}\ndata: {json.dumps(body, separators=(',', ':'))}\n\n".encode()

        yield event("response.created", response=self._response("in_progress"))
        yield event("response.in_progress", response=self._response("in_progress"))
        try:
            prompt = self._budget()
        except TooLong as too_long:
            yield event("response.failed", response=self._failed(str(too_long)))
            yield b"data: [DONE]\n\n"
            return
        yield b": keep-alive\n\n"
        where = {"item_id": message, "output_index": 0, "content_index": 0}
        item = {"content": [], "id": message, "role": "assistant", "status": "in_progress", "type": "message"}
        yield event("response.output_item.added", item=item, output_index=0)
        yield event("response.content_part.added", **where, part={"text": "", "type": "output_text"})
        said = []
        for token in tokens:
            if self.store.fails_after == len(said):
                yield event("response.failed", response=self._failed("out of memory"))
                yield b"data: [DONE]\n\n"
                return
            yield event("response.output_text.delta", **where, delta=token)
            said.append(token)
        text = "".join(said)
        response = self._response(STATUS[finish], text, prompt, len(said))
        yield event("response.output_text.done", **where, text=text)
        yield event("response.content_part.done", **where, part={"text": text, "type": "output_text"})
        yield event("response.output_item.done", item=response["output"][0], output_index=0)
        self._keep(response)
        yield event(f"response.{STATUS[finish]}", response=response)
        yield b"data: [DONE]\n\n"

    def _budget(self) -> int:
        instructions = self.asked.get("instructions")
        system = [{"role": "system", "content": instructions}] if instructions else []
        return self.store.budget(system + self.told, self.asked.get("max_output_tokens"))

    def _failed(self, message: str) -> dict[str, Any]:
        return {**self._response("failed"), "error": {"code": "invalid_request_error", "message": message}}

    def _keep(self, response: dict[str, Any]) -> None:
        if self.asked.get("store", True):
            answer = {"role": "assistant", "content": response["output_text"]}
            self.store.held[self.id] = Stored(response, [*self.told, answer])

    def _response(self, status: str, text: str = "", prompt: int = 0, answer: int = 0) -> dict[str, Any]:
        content = [{"text": text, "type": "output_text"}]
        item = {"content": content, "id": "msg_1", "role": "assistant", "status": status, "type": "message"}
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {
            "background": False,
            "cancelled_at": None,
            "completed_at": 1795771823 if status == "completed" else None,
            "created_at": 1795771823,
            "error": None,
            "failed_at": 1795771823 if status == "failed" else None,
            "frequency_penalty": 0.0,
            "id": self.id,
            "incomplete_details": cut,
            "instructions": self.asked.get("instructions"),
            "max_output_tokens": self.asked.get("max_output_tokens"),
            "metadata": {},
            "model": self.store.model,
            "object": "response",
            "output": [item] if text else [],
            "output_text": text,
            "parallel_tool_calls": True,
            "presence_penalty": 0.0,
            "previous_response_id": self.asked.get("previous_response_id"),
            "reasoning": None,
            "service_tier": "default",
            "status": status,
            "store": self.asked.get("store", True),
            "temperature": self.asked.get("temperature", 1.0),
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": self.asked.get("top_p", 1.0),
            "truncation": "disabled",
            "usage": {
                "input_tokens": prompt,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": answer,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": prompt + answer,
            },
            "user": None,
        }
