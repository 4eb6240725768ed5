"""What an answer took, for the quiet line under it: which model, where it ran, how fast, how many tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from chat.model import device_of, without_variant

HERE = {"localhost", "127.0.0.1", "::1", "host.docker.internal"}
WAITED_SECONDS = 1.0  # less is not worth a word


class Usage(Protocol):
    """What an answer was seen to take; None where it is not known, as after Stop."""

    @property
    def prompt_tokens(self) -> int | None: ...
    @property
    def completion_tokens(self) -> int | None: ...
    @property
    def first_token_seconds(self) -> float | None: ...
    @property
    def seconds(self) -> float | None: ...


class Answer(Protocol):
    """What is needed of an answer; its usage may be unknown until its end."""

    @property
    def usage(self) -> Usage | None: ...


@dataclass
class Figures:
    """Of one answer."""

    model: str
    """The id."""

    root: str
    """The address of the server that made it."""

    answer: Answer | None = None

    waited: float = 0.0
    """Seconds in the line."""

    cloud: str | None = None
    """Its host, where a cloud made it: ``root`` may be only the way there."""

    why: str = ""
    """Why it was made there, where there was a choice."""

    @property
    def usage(self) -> Usage | None:
        """As far as it is known by now."""
        return self.answer.usage if self.answer else None

    @property
    def tokens_per_second(self) -> float | None:
        """How fast the answer came once it had begun."""
        usage = self.usage
        if usage is None or usage.seconds is None or usage.first_token_seconds is None:
            return None
        took = usage.seconds - usage.first_token_seconds
        if took <= 0 or usage.completion_tokens is None or usage.completion_tokens < 2:
            return None
        return (usage.completion_tokens - 1) / took

    @property
    def markdown(self) -> str:
        """One line; what is not known is left out."""
        said = [
            f"`{without_variant(self.model).replace('`', '')}`",
            f"{self._ran}: {self.why}" if self.why else self._ran,
        ]
        if self.waited >= WAITED_SECONDS:
            said.append(f"waited {_short(self.waited)} s in line")
        if self.usage and self.usage.first_token_seconds is not None:
            said.append(f"first token after {_short(self.usage.first_token_seconds)} s")
        if (rate := self.tokens_per_second) is not None:
            said.append(f"{_short(rate)} tokens/s")
        counts = (self.usage.prompt_tokens, self.usage.completion_tokens) if self.usage else (None, None)
        directions = [f"{count} {way}" for count, way in zip(counts, ("in", "out"), strict=True) if count is not None]
        if directions:
            said.append(f"tokens: {', '.join(directions)}")
        return " · ".join(said)

    @property
    def _ran(self) -> str:
        if self.cloud:
            return f"**cloud** ({self.cloud})"
        return ", ".join(part for part in (device_of(self.model), _where(self.root)) if part)


def _where(root: str) -> str:
    host = urlsplit(root).hostname or ""
    return "local" if host in HERE else f"at {host}"


def _short(number: float) -> str:
    """Two digits that matter are enough: 0.14, 1.2, 48."""
    return f"{number:.2f}" if number < 1 else f"{number:.1f}" if number < 10 else f"{number:.0f}"
