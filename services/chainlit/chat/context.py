"""How much the model can take in at once, and which part of a conversation it is told: counted in tokens.

No tokenizer is at hand here, so a text's tokens are estimated, rather too many than too few, and corrected by each
answer's usage, as the server reports it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import openai

from chat.conversation import Told, without_system
from chat.server import LOOK_SECONDS, Server, is_foundry

ASSUMED_LIMIT = 8192
"""Where the server does not say what its model takes."""

LIMIT_COUNTS_SECONDS = 60.0  # then it is asked anew, which costs nothing: another server may have its address by now

MESSAGE_TOKENS = 6  # what a chat template puts around each message
TEMPLATE_TOKENS = 48  # and at the beginning: some have a system prompt of their own
IMPOSSIBLE = 1_000_000_000  # an answer longer than any model's context: refused at once, with the limit in the refusal

# Where OpenAI-compatible servers that say so have it in their list of models: vLLM, LM Studio, OpenRouter and others.
LIMIT_FIELDS = ("max_model_len", "loaded_context_length", "max_context_length", "context_length", "context_window")

# Foundry Local's words, OpenAI's and vLLM's, llama.cpp's.
LIMIT_SAID = re.compile(
    r"(?:maximum context length (?:of|is)|available context size)\W{1,3}(\d+) tokens", re.IGNORECASE
)
PROMPT_SAID = re.compile(r"\((\d+) input \+ \d+ output\)|\((\d+) in the messages|(\d+) input tokens", re.IGNORECASE)

# A token is, about: a word of up to 6 letters, a digit, a sign, and 10/7 bytes of what is not ASCII.
PARTS = re.compile(r"[A-Za-z]+|[^\x00-\x7f]+|\n+|[ \t]{2,}|[^\sA-Za-z]")
LETTERS_A_TOKEN = 6
TOKENS_A_BYTE = 0.7
CAUTION = 1.1

_corrections: dict[str, float] = {}
_limits: dict[tuple[str, str], tuple[int | None, float]] = {}  # and when that was said


def tokens_in(text: str, model: str = "") -> int:
    """About how many tokens a text is, rather more than fewer; for a model that has answered already, more exactly."""
    return math.ceil(_raw(text) * _corrections.get(model, CAUTION))


def learn(model: str, told: Sequence[Told], tokens: int) -> None:
    """The server has counted a prompt. More than was thought is believed at once, less little by little."""
    thought = sum(_raw(each["content"]) for each in told)
    counted = tokens - TEMPLATE_TOKENS - MESSAGE_TOKENS * len(told)
    if thought < 200 or counted <= 0:  # the chat template's share is too large
        return
    now, seen = _corrections.get(model, CAUTION), counted / thought
    _corrections[model] = seen if seen > now else now + (seen - now) / 4


def _raw(text: str) -> float:
    count = 0.0
    for part in PARTS.finditer(text):
        found = part[0]
        if not found[0].isascii():
            count += TOKENS_A_BYTE * len(found.encode(errors="replace"))
        elif found[0].isalpha():
            count += 1 + (len(found) - 1) // LETTERS_A_TOKEN
        else:
            count += 1
    return count


async def limit_of(server: Server, model: str) -> int:
    """How many tokens the model takes, question and answer together; an assumption where nobody says."""
    return await known_limit(server, model) or ASSUMED_LIMIT


async def known_limit(server: Server, model: str) -> int | None:
    """The same; None where the server does not say."""
    key = server.root, model
    limit, said_at = _limits.get(key, (None, -math.inf))
    if monotonic() - said_at > LIMIT_COUNTS_SECONDS and not server.only_chats:
        try:
            limit = await _ask_for_limit(server, model)
        except (openai.OpenAIError, AttributeError, TypeError, ValueError):
            return limit  # whatever is wrong, the question itself will show it
        _limits[key] = limit, monotonic()
    return limit


def forget() -> None:
    """Everything that was learned."""
    _limits.clear()
    _corrections.clear()


async def _ask_for_limit(server: Server, model: str) -> int | None:
    client = server.client.with_options(timeout=LOOK_SECONDS)
    if await is_foundry(server):
        try:
            # Streaming, so that leaving would end the work of a model that takes even this.
            async with await client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "-"}],
                max_tokens=IMPOSSIBLE,
                stream=True,
            ) as refused:
                async for _ in refused:
                    return None
        except openai.APIError as refusal:
            if said := Refusal.read(refusal.message):
                return said.limit
            raise
        return None
    for listed in (await client.models.list()).data:
        if listed.id == model:
            says = {**(listed.model_extra or {}), **_of_llama_cpp(listed)}
            return next((int(says[field]) for field in LIMIT_FIELDS if says.get(field)), None)
    return None


def _of_llama_cpp(listed: object) -> dict[str, object]:
    meta = (getattr(listed, "model_extra", None) or {}).get("meta")
    return {"context_length": meta.get("n_ctx") or meta.get("n_ctx_train")} if isinstance(meta, dict) else {}


@dataclass(frozen=True)
class Refusal:
    """What a server says with its refusal of a conversation that is too long."""

    limit: int
    prompt: int | None

    @classmethod
    def read(cls, message: str) -> Refusal | None:
        """None where there are no numbers in it."""
        if not (limit := LIMIT_SAID.search(message)):
            return None
        prompt = PROMPT_SAID.search(message)
        return cls(int(limit[1]), int(next(filter(None, prompt.groups()))) if prompt else None)


class Window:
    """The part of one conversation that the model is told: the system prompt and the newest turns.

    It moves in large steps, so that its beginning, which the server may hold, stays the same for a while.
    """

    REFILL = 0.6
    SURELY_FITS = 2048  # nobody has to be asked for the limit where prompt and answer are no more than this

    def __init__(self) -> None:
        self._settled = 0  # how many turns were left out of the last answer
        self._start = 0
        self._length = 0  # of the conversation
        self._cut_for: tuple[str, str] | None = None  # server and model
        self._counted: tuple[list[Told], int] = [], 0

    @property
    def left_out(self) -> int:
        """How many questions, with their answers, the model was not told."""
        return self._start // 2

    def open(self) -> None:
        """A question is to be answered."""
        self._start = self._settled

    async def fit(self, told: Sequence[Told], server: Server, model: str, answer_tokens: int) -> list[Told]:
        """What of ``told`` leaves room for an answer of so many tokens."""
        system, turns = without_system(told)
        if len(turns) < self._length or self._cut_for != (server.root, model):
            self._start = 0  # edited: so much need not be left out any more; or another model, which may take more
        self._length = len(turns)
        shown = _joined(system, turns[self._start :])
        if (size := self.size(shown, model)) + answer_tokens > self.SURELY_FITS:
            room = (await known_limit(server, model) or math.inf) - answer_tokens
            if size > room > 0:
                self._cut_for = server.root, model
                self._start = _newest(system, turns, room * self.REFILL, model, after=self._start)
                shown = _joined(system, turns[self._start :])
        return shown

    def refused(self, sent: Sequence[Told], server: Server, model: str, message: str) -> None:
        """The server says that this is too long: from now on `fit` gives less, if there is anything to leave out."""
        refusal = Refusal.read(message)
        if refusal is not None:
            _limits[server.root, model] = refusal.limit, monotonic()
            if refusal.prompt:
                learn(model, sent, refusal.prompt)
                self._counted = list(sent), refusal.prompt
                return
        system, turns = without_system(sent)
        self._cut_for = server.root, model
        self._start += _newest(system, turns, self.size(sent, model) / 2, model, after=0)

    def settle(self) -> None:
        """The server answers."""
        self._settled = self._start

    def count(self, told: Sequence[Told], model: str, prompt: int, completion: int, answer: str) -> None:
        """The server has answered, and counted."""
        learn(model, told, prompt)
        self._counted = [*told, {"role": "assistant", "content": answer}], prompt + completion

    def size(self, told: Sequence[Told], model: str) -> int:
        """About how many tokens the model counts; more exactly where all but the end has been counted before."""
        known, tokens = self._counted
        if known and list(told[: len(known)]) == known:
            rest = told[len(known) :]
        else:
            rest, tokens = told, TEMPLATE_TOKENS
        return tokens + sum(tokens_in(each["content"], model) + MESSAGE_TOKENS for each in rest)


def _newest(system: str | None, turns: Sequence[Told], room: float, model: str, after: int) -> int:
    """Where the newest turns begin that fit, later than the present beginning; the last question always does."""

    def weight(*told: Told) -> int:
        return sum(tokens_in(each["content"], model) + MESSAGE_TOKENS for each in told)

    start = len(turns) - 1
    left = room - TEMPLATE_TOKENS - tokens_in(system or "", model) - weight(turns[start])
    while start - 2 > after and (left := left - weight(*turns[start - 2 : start])) >= 0:
        start -= 2
    return start


def _joined(system: str | None, turns: Sequence[Told]) -> list[Told]:
    return [{"role": "system", "content": system}, *turns] if system else list(turns)
