"""The runs' results as Prometheus wants to read them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from monitor import clock
from stack.probes.report import Report, Speed, Status

FIRST_TEXT_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5, 10, 20, 30, 60)
TOKENS_PER_SECOND = (1, 2, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 400)


class Metrics:
    """What is counted and measured.

    Args:
        targets: the front ends, so that each is there from the beginning: what has never answered is infinitely old.
    """

    def __init__(self, targets: tuple[str, ...], now: Callable[[], float] = clock.now) -> None:
        self._now = now
        self._registry = CollectorRegistry()
        self._answered: dict[str, float] = {}
        self._state = Gauge(
            "foundry_stack_check_state",
            "1 for the state that the check was in at the last run, 0 for the others.",
            ["check", "target", "state"],
            registry=self._registry,
        )
        self._first_text = Histogram(
            "foundry_stack_first_text_seconds",
            "From the question to the first text of the answer, through the front end.",
            ["target"],
            buckets=FIRST_TEXT_SECONDS,
            registry=self._registry,
        )
        self._rate = Histogram(
            "foundry_stack_tokens_per_second",
            "How fast the answer came after its first text; only front ends that pass tokens on one by one show it.",
            ["target"],
            buckets=TOKENS_PER_SECOND,
            registry=self._registry,
        )
        self._age = Gauge(
            "foundry_stack_last_good_answer_age_seconds",
            "Since the last good answer of the front end; +Inf when there was none since the monitor's start.",
            ["target"],
            registry=self._registry,
        )
        self._runs = Counter("foundry_stack_runs", "Runs of the checks.", registry=self._registry)
        self._busy = Counter(
            "foundry_stack_runs_skipped_busy",
            "Runs that asked for no answer, because users were waiting for theirs.",
            registry=self._registry,
        )
        for target in targets:
            self._first_text.labels(target)
            self._age.labels(target).set_function(partial(self.age, target))

    def age(self, target: str) -> float:
        """Seconds since the front end's last good answer; infinite when there was none."""
        return self._now() - self._answered.get(target, -math.inf)

    def answered(self, target: str, speed: Speed | None) -> None:
        """A good answer came through the front end just now."""
        self._answered[target] = self._now()
        if speed:
            self._first_text.labels(target).observe(speed.first_text_seconds)
            if speed.tokens_per_second:
                self._rate.labels(target).observe(speed.tokens_per_second)

    def skipped(self) -> None:
        """A run let the users go first."""
        self._busy.inc()

    def ended(self, report: Report) -> None:
        """A run came to its end."""
        self._runs.inc()
        self._state.clear()
        for check in report.checks:
            for state in Status:
                self._state.labels(check.id, check.target, state.value).set(check.status is state)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
