"""Waiting for a condition, with a limit."""

from __future__ import annotations

from collections.abc import Callable

import stamina


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Return as soon as the condition holds.

    Raises:
        AssertionError: it does not within ``seconds``.
    """
    for attempt in stamina.retry_context(
        AssertionError, attempts=None, timeout=seconds, wait_max=0.1, wait_jitter=0.05
    ):
        with attempt:
            assert condition(), f"not within {seconds} s"
