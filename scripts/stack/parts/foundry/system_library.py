"""The one system library that Foundry Local's native runtime needs and small Linux systems lack."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

from stack.tools import apt
from stack.tools.consent import agree
from stack.tools.errors import StackError
from stack.tools.progress import Progress

LIBRARY = "libatomic.so.1"
PACKAGE = "libatomic1"  # Debian's and Ubuntu's


def system_library_is_missing(library: str = LIBRARY) -> bool:
    """Whether the runtime would not load for want of it; always False on systems whose runtime does without."""
    if sys.platform != "linux":
        return False
    try:
        ctypes.CDLL(library)
    except OSError:
        return True
    return False


def install_system_library(*, assume_yes: bool, progress: Progress, say: Callable[[str], None]) -> None:
    """Install it from the distribution's packages, if the user agrees.

    Raises:
        StackError: ``system-library-missing``, exit code 2; not agreed to, or on a system it can't install on; or
            what installing raises.
    """
    if not apt.is_debian_like():
        raise system_library_error(LIBRARY)
    question = f"Foundry Local needs the system library {LIBRARY}. Install {PACKAGE} from {apt.name_of_system()}?"
    if not agree(question, assume_yes=assume_yes):
        raise system_library_error(LIBRARY)
    apt.install([PACKAGE], progress)
    say(f"Installed: {PACKAGE}.")


def system_library_error(library: str) -> StackError:
    """What to say when Foundry Local can't go on without ``library``."""
    known = library.startswith("libatomic.") and apt.is_debian_like()
    return StackError(
        f"Foundry Local needs the system library {library}, which is not installed.",
        fix=f"sudo apt-get install {PACKAGE}" if known else f"Install the package of your system that has {library}.",
        cause="system-library-missing",
        exit_code=2,
    )
