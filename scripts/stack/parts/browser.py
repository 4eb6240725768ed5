"""The browser that the tests drive: the distribution's own Chromium, because none can be downloaded everywhere."""

from __future__ import annotations

from collections.abc import Callable

from stack.tools import apt
from stack.tools.consent import agree
from stack.tools.errors import StackError
from stack.tools.progress import Progress
from stack.tools.root import find_program

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ["chromium", "fonts-dejavu-core"]


def ensure_browser(*, assume_yes: bool, progress: Progress, say: Callable[[str], None]) -> str:
    """Have a Chromium and return its path.

    Raises:
        StackError: ``browser-missing``, or what installing raises.
    """
    if found := _installed():
        return found
    fix = "Install Chromium or Google Chrome, then run this again; `python3 scripts/test.py stack` needs none."
    if not apt.is_debian_like() or not agree("The browser tests need Chromium. Install it?", assume_yes=assume_yes):
        raise StackError("The browser tests need Chromium.", fix=fix, cause="browser-missing", exit_code=2)
    apt.install(PACKAGES, progress)
    say("Installed: chromium.")
    if found := _installed():
        return found
    raise StackError("Chromium was installed but is not on the PATH.", fix=fix, cause="browser-missing", exit_code=2)


def _installed() -> str | None:
    return next(filter(None, map(find_program, NAMES)), None)
