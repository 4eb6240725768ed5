"""The time that has passed, as the monitor measures it."""

from __future__ import annotations

import time


def now() -> float:
    """Seconds since some moment. A machine that sleeps does not stop it: a result of before is old when it wakes up."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
