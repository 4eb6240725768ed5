"""The probe and the monitor, which ask the chat to see whether it answers."""

from __future__ import annotations

PROBE, MONITOR = "probe@localhost", "monitor@localhost"
"""Their accounts."""

NAME = "probe"
"""Under this name both ask; it counts only where nobody signs in, since any page may send it."""


def is_check(account: str | None, name: str) -> bool:
    """Whether a question is one of theirs.

    Args:
        account: of who asks; None where the chat asks nobody who he is.
        name: under which the question is asked.
    """
    return name == NAME if account is None else account in (PROBE, MONITOR)
