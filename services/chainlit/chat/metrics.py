"""What is counted, for Prometheus. Nobody's name and nobody's words are in it: no label holds what a user chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from chat.figures import Figures
from chat.routing.breaker import STATES, State
from chat.routing.decision import Place

FIRST_TOKEN_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5, 10, 20, 30, 60, 120)
TOKENS_PER_SECOND = (1, 2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 400)
LINE_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300)

Outcome = Literal["complete", "at-the-limit", "stopped", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("complete", "at-the-limit", "stopped", "failed")


class Metrics:
    """What is counted and measured.

    Args:
        in_line: how many are waiting now.
        answered: how many are being answered now.
        sessions: how many pages are open now.
        providers: whether who could be asked is asked; none where there is nothing to choose from.
    """

    def __init__(
        self,
        *,
        in_line: Callable[[], float],
        answered: Callable[[], float],
        sessions: Callable[[], float],
        providers: Callable[[], Mapping[Place, State]] = dict,
    ) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "foundry_chat_answers",
            "Questions, by what became of their answer; at-the-limit: the model had more to say.",
            ["outcome"],
            registry=self._registry,
        )
        self._problems = Counter(
            "foundry_chat_problems", "What users were told went wrong, by cause.", ["cause"], registry=self._registry
        )
        self._first_token = Histogram(
            "foundry_chat_first_token_seconds",
            "From asking the model to its first token, without the time in the line.",
            buckets=FIRST_TOKEN_SECONDS,
            registry=self._registry,
        )
        self._rate = Histogram(
            "foundry_chat_tokens_per_second",
            "How fast an answer came after its first token.",
            buckets=TOKENS_PER_SECOND,
            registry=self._registry,
        )
        self._line = Histogram(
            "foundry_chat_line_seconds",
            "How long an answer's turn was waited for.",
            buckets=LINE_SECONDS,
            registry=self._registry,
        )
        self._tokens = Counter(
            "foundry_chat_tokens", "Tokens, as the model server counts them.", ["direction"], registry=self._registry
        )
        for name, said, now in (
            ("foundry_chat_in_line", "Questions that wait for their turn.", in_line),
            ("foundry_chat_answers_under_way", "Answers that are being made.", answered),
            ("foundry_chat_sessions", "Pages that are open.", sessions),
        ):
            Gauge(name, said, registry=self._registry).set_function(now)
        self._providers = providers
        self._states = Gauge(
            "foundry_chat_provider_state",
            "1: so it is with who could be asked; open: it has failed, and is left alone for a while.",
            ["place", "state"],
            registry=self._registry,
        )
        self._failures = Counter(
            "foundry_chat_provider_failures",
            "Questions that a place gave no answer to, by cause.",
            ["place", "cause"],
            registry=self._registry,
        )
        self._routed = Counter(
            "foundry_chat_routed",
            "Questions that were asked somewhere, by place and why, where there was a choice.",
            ["place", "why"],
            registry=self._registry,
        )
        for outcome in OUTCOMES:  # there from the beginning, so that a rate can be taken of the first
            self._answers.labels(outcome)
        for direction in ("in", "out"):
            self._tokens.labels(direction)

    def ended(self, outcome: Outcome, figures: Figures | None) -> None:
        """An answer came to its end.

        Args:
            figures: None where no answer was asked for.
        """
        self._answers.labels(outcome).inc()
        if figures is None:
            return
        self._line.observe(figures.waited)
        if (rate := figures.tokens_per_second) is not None:
            self._rate.observe(rate)
        if (usage := figures.usage) is None:
            return
        if usage.first_token_seconds is not None:
            self._first_token.observe(usage.first_token_seconds)
        self._tokens.labels("in").inc(usage.prompt_tokens or 0)
        self._tokens.labels("out").inc(usage.completion_tokens or 0)

    def told(self, cause: str) -> None:
        """A user was told what is wrong."""
        self._problems.labels(cause).inc()

    def routed(self, place: Place, why: str) -> None:
        """A question is asked there."""
        self._routed.labels(place, why).inc()

    def place_failed(self, place: Place, cause: str) -> None:
        """It gave no answer."""
        self._failures.labels(place, cause).inc()

    def text(self) -> bytes:
        """In Prometheus' text format."""
        for place, now in self._providers().items():
            for state in STATES:
                self._states.labels(place, state).set(state == now)
        return generate_latest(self._registry)
