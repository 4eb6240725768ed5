"""Questions to the model server over HTTP, wherever one stands: Foundry Local itself, the relay or the gateway."""

from __future__ import annotations

import asyncio
import difflib
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from stack.probes import causes, stream
from stack.probes.crowd import came
from stack.probes.refusals import meaning
from stack.probes.report import Outcome, Speed, degraded, failed, ok

CODES_OF_OUR_DOORS = {"relay-token-wrong", "relay-down", "foundry-not-running", "foundry-hangs"}
CATALOG_SECONDS = 20.0  # offline, Foundry Local tries its catalog for 4 to 5 s, and longer on a busy machine
STATUS_SECONDS = 8.0  # the relay gives it five, and then knows whether others are served meanwhile
TOKEN_SECONDS = 60.0
MAX_TOKENS = 8
NOT_FOR_CHAT = ("embed", "whisper", "rerank")
OnText = Callable[[], None]
VARIANT = re.compile(r"(-[a-z0-9]+-(cpu|gpu|npu)(-\d+)?)?(:\d+)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, as far as the probe looks at it."""

    status: int
    via: str
    type: str
    body: str

    @classmethod
    def of(cls, response: httpx.Response) -> Answer:
        """Take over what matters."""
        headers = response.headers
        return cls(response.status_code, headers.get("via", ""), headers.get("content-type", ""), response.text)

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def in_short(self) -> str:
        """For evidence: status, type, and how the body begins."""
        return f"{self.status} {self.type or 'no type'}: {' '.join(self.body[:160].split())}"


def is_foundry_status(answer: Answer) -> bool:
    """Whether this is how Foundry Local answers ``GET /status``; a 200 alone would prove nothing."""
    found = answer.json
    return answer.status == 200 and isinstance(found, dict) and {"endpoints", "modelCachePath"} <= found.keys()


async def foundry_status(http: httpx.AsyncClient, base: str) -> Outcome:
    """Whether Foundry Local answers its status through that door; the body is the proof."""
    try:
        return judge_status(Answer.of(await http.get(f"{base}/status", timeout=STATUS_SECONDS)))
    except httpx.TimeoutException:
        return failed("foundry-hangs", f"no status from Foundry Local within {STATUS_SECONDS:.0f} s")
    except httpx.HTTPError as strange:
        return failed("unknown", f"{base}/status: {type(strange).__name__}: {strange}")


def judge_status(answer: Answer) -> Outcome:
    """What the answer to ``GET /status`` says about Foundry Local and the doors before it."""
    if is_foundry_status(answer):
        return ok("Foundry Local answers its status")
    code = _error_code(answer)
    if code == "busy":
        return degraded(code, _error_message(answer))
    if code in CODES_OF_OUR_DOORS:
        return failed(str(code), _error_message(answer))
    seen = f"instead of Foundry Local's status there came {answer.in_short}"
    if answer.status >= 500 or answer.status == 429 or _is_of_our_doors(answer):
        return failed("unknown", seen)
    return replace(failed("foundry-port-taken-by-other", seen), fix=causes.OTHER_THAN_FOUNDRY)


async def model_state(http: httpx.AsyncClient, base: str, wanted: str, device: str = "auto") -> Outcome:
    """Whether the wanted model is known, and loaded.

    Args:
        base: address of the server, without ``/v1``.
        wanted: an alias, an id or the beginning of one; ``auto`` takes any that is loaded.
        device: cpu, gpu or npu, as the id's variant names it; ``auto`` takes any.
    """
    known = _ids(Answer.of(await http.get(f"{base}/v1/models", timeout=CATALOG_SECONDS)))
    loaded = _ids(Answer.of(await http.get(f"{base}/models/loaded", timeout=CATALOG_SECONDS)))
    if isinstance(known, Outcome):
        return known
    if isinstance(loaded, Outcome):
        return loaded
    meant = matching(list(dict.fromkeys((*loaded, *known))), wanted)
    if fitting := [model for model in loaded if model in meant]:
        best = next((model for model in fitting if device in ("auto", device_of(model))), None)
        if best is None:
            return degraded("model-on-other-device", f"wanted: {device}; loaded: {', '.join(fitting)}")
        others = f", {len(loaded) - 1} more loaded" if len(loaded) > 1 else ""
        return ok(f"{best} on {device_of(best)}{others}")
    if not meant:
        shown = ", ".join(known[:5]) or "none at all"
        near = " or ".join(nearest(known, wanted)) or "one that it knows"
        return failed("model-unknown", f"wanted: {wanted}; Foundry Local knows {shown}", models=near)
    return failed("model-not-loaded", f"wanted: {wanted}; loaded: {', '.join(loaded[:5]) or 'none'}")


async def loaded_model(http: httpx.AsyncClient, base: str, wanted: str) -> str | Outcome:
    """The id of a loaded model that the wanted name stands for, or what is wrong."""
    loaded = _ids(Answer.of(await http.get(f"{base}/models/loaded", timeout=CATALOG_SECONDS)))
    if isinstance(loaded, Outcome):
        return loaded
    fitting = matching(loaded, wanted)
    return fitting[0] if fitting else failed("model-not-loaded", f"loaded: {', '.join(loaded[:5]) or 'none'}")


def matching(ids: Sequence[str], wanted: str) -> list[str]:
    """The ids that the wanted name stands for.

    For ``auto`` all that can chat. An alias is the beginning of a name, and of several such names the shortest is
    meant: `phi-4` is never taken for `phi-4-mini` where both are known.
    """
    if wanted.lower() == "auto":
        return [each for each in ids if not any(word in each.lower() for word in NOT_FOR_CHAT)]
    begin = wanted.lower()
    fitting = [each for each in ids if each.lower() == begin or each.lower().startswith((f"{begin}-", f"{begin}:"))]
    shortest = min((_name(each) for each in fitting), key=len, default="")
    return [each for each in fitting if _name(each) == shortest]


def nearest(ids: Sequence[str], wanted: str) -> list[str]:
    """Up to three names that a misspelt one may have meant; the first ones where none is like it."""
    names = {_name(each): VARIANT.sub("", each) for each in matching(ids, "auto")}
    near = difflib.get_close_matches(wanted.lower(), names, cutoff=0.4) or list(names)[:3]
    return [names[name] for name in near]


def device_of(model_id: str) -> str:
    """What the model's id says it runs on: cpu, gpu, npu, or unknown device."""
    variant = VARIANT.search(model_id)
    return variant[2].lower() if variant and variant[2] else "unknown device"


async def some_token(http: httpx.AsyncClient, base: str, model: str, on_text: OnText | None = None) -> Outcome:
    """Like `first_token`, with a second question after an empty answer: a small model may have nothing to say once."""
    token = await first_token(http, base, model, on_text)
    return await first_token(http, base, model, on_text) if token.cause == "empty-answer" else token


async def first_token(  # noqa: PLR0911  (one each)
    http: httpx.AsyncClient, base: str, model: str, on_text: OnText | None = None
) -> Outcome:
    """Ask the server itself for a few tokens, as a stream read to its end.

    Args:
        on_text: called when the first text comes.
    """
    question = {
        "model": model,
        "messages": [{"role": "user", "content": "Say only: OK"}],
        "max_tokens": MAX_TOKENS,
        "stream": True,
    }
    started = time.monotonic()
    first: float | None = None
    last, tokens = started, 0
    reading = stream.Reading()
    limits = httpx.Timeout(5.0, read=None)  # a comment now and then would keep that one waiting for ever
    loop = asyncio.get_running_loop()
    try:
        async with (
            asyncio.timeout(TOKEN_SECONDS) as limit,
            http.stream("POST", f"{base}/v1/chat/completions", json=question, timeout=limits) as response,
        ):
            if response.status_code != 200:
                await response.aread()
                return _judge_refusal(Answer.of(response))
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                await response.aread()
                whole = Answer.of(response)
                return _of_the_model_itself(stream.judge_whole(whole.in_short, whole.json))
            async for event in _events(response):
                if wrong := reading.wrong_at_end() if event == stream.END else reading.take(event):
                    return _of_the_model_itself(wrong)
                if event == stream.END:
                    first = last if first is None else first
                    rate = (tokens - 1) / (last - first) if last > first else None
                    seconds = first - started
                    return came(f"first token after {seconds:.2f} s", Speed(seconds, rate))
                if reading.pieces > tokens:
                    last, tokens = time.monotonic(), reading.pieces
                    limit.reschedule(loop.time() + TOKEN_SECONDS)
                    if first is None:
                        first = last
                        on_text() if on_text else None
    except TimeoutError:
        return failed("foundry-hangs", f"no token for {TOKEN_SECONDS:.0f} s")
    except (httpx.RemoteProtocolError, httpx.ReadError) as cut:
        return failed("stream-cut", f"{type(cut).__name__} {cut}".strip())
    return failed("stream-cut", "the stream ended without [DONE]")


def _of_the_model_itself(wrong: Outcome) -> Outcome:
    """No page's setting can make a short question too long that is asked without any."""
    return replace(wrong, fix=causes.CONTEXT_OF_MODEL) if wrong.cause == "context-too-long" else wrong


def _judge_refusal(answer: Answer) -> Outcome:
    code, message = _error_code(answer), _error_message(answer)
    if code in CODES_OF_OUR_DOORS:
        return failed(str(code), message)
    if answer.status in (400, 413, 500) and (cause := meaning(message)):
        return _of_the_model_itself(failed(cause, message))
    if answer.status == 404 and "model" in message.lower() and _error(answer):
        return failed("model-unknown", message, models="one that is loaded")
    return failed("unknown", answer.in_short)


def _name(model_id: str) -> str:
    return VARIANT.sub("", model_id.lower())


async def _events(response: httpx.Response) -> AsyncIterator[str]:
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


def _ids(answer: Answer) -> list[str] | Outcome:
    found = answer.json
    entries = found.get("data") if isinstance(found, dict) else found
    if answer.status == 200 and isinstance(entries, list):
        ids = [entry.get("id") if isinstance(entry, dict) else entry for entry in entries]
        if all(isinstance(each, str) for each in ids):
            return [str(each) for each in ids]
    if (code := _error_code(answer)) in CODES_OF_OUR_DOORS:
        return failed(str(code), _error_message(answer))
    return failed("unknown", f"instead of a list of models there came {answer.in_short}")


def _is_of_our_doors(answer: Answer) -> bool:
    error = _error(answer)
    return isinstance(error, dict) and error.get("type") == "stack_error"


def _error_code(answer: Answer) -> str | None:
    error = _error(answer)
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else None


def _error_message(answer: Answer) -> str:
    error = _error(answer)
    message = error.get("message") if isinstance(error, dict) else error
    return str(message)[:300] if message else answer.in_short


def _error(answer: Answer) -> Any:
    found = answer.json
    return found.get("error") if isinstance(found, dict) else None
