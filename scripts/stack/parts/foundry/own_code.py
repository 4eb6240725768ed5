"""Tells a daemon that runs yesterday's code from one that runs today's, so that `up` after an update replaces it."""

from __future__ import annotations

import hashlib
import sys
from importlib.metadata import version as installed
from pathlib import Path

SERVED_BY = ("serve.py", "catalog.py", "runtime.py", "record.py")


def version() -> str:
    """Changes with Python, the runtime, and the modules that serve."""
    files = [(Path(__file__).parent / name).read_text(encoding="utf-8") for name in SERVED_BY]
    parts = [sys.version, sys.executable, installed("foundry-local-sdk"), *files]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
