"""Chainlit takes its settings, theme and readme from the folder it was started in; this app's are next to `app.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]


def make_home() -> None:
    """Start `chainlit run` over with this app's folder as its root, unless it has been told a root already.

    Chainlit reads its settings before it reads the app, so the app itself comes too late to say where they are.
    """
    if "CHAINLIT_APP_ROOT" in os.environ or not _is_chainlit_run():
        return
    os.environ["CHAINLIT_APP_ROOT"] = str(HOME)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (no shell is wanted)


def _is_chainlit_run() -> bool:
    program = Path(sys.argv[0])  # .../bin/chainlit, or .../chainlit/__main__.py with `python -m chainlit`
    return "chainlit" in (program.stem, program.parent.name) and "run" in sys.argv[1:]
