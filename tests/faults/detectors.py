"""Switches a detector of the probe off: what it would name, it calls well, and the probe goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from stack.probes.report import Outcome, Status


@contextmanager
def switched_off(cause: str) -> Iterator[None]:
    """Whoever finds this cause does not find it."""
    made = Outcome.__init__

    def make(outcome: Outcome, *given: Any, **named: Any) -> None:
        made(outcome, *given, **named)
        if outcome.cause == cause:
            object.__setattr__(outcome, "status", Status.OK)
            object.__setattr__(outcome, "cause", None)
        if outcome.status is Status.OK:  # also where the one who found it has a better fix for it
            object.__setattr__(outcome, "fix", None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outcome, "__init__", make)
        yield
