"""From whatever Python started a script to the same script inside the stack's own environment.

Standard library only, and readable for Pythons that are too old for the rest, so that they get a sentence and no
traceback. Everything it says goes to standard error.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parents[2]


def enter(extra_lock: Path | None = None, *, assume_yes: bool | None = None) -> None:
    """Return inside the virtual environment `.venv`: makes it where needed, then starts the script again in it.

    Ends the process where that can't be: exit code 2 with a sentence, 130 after Ctrl-C, 143 after SIGTERM.

    Args:
        extra_lock: a further lock file to install, such as the tests'.
        assume_yes: install what is missing without asking; None: whether ``--yes`` is among the script's arguments.
    """
    if sys.version_info < OLDEST_PYTHON:
        needed, found = ".".join(map(str, OLDEST_PYTHON)), ".".join(map(str, sys.version_info[:3]))
        print(f"Python {needed} or newer is needed; this is {found} ({sys.executable}).", file=sys.stderr)
        sys.exit(2)
    if os.environ.get("SUDO_UID"):  # compiled modules that root owns would be in the user's way
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        shutil.rmtree(Path(__file__).parent / "__pycache__", ignore_errors=True)  # of this module, written before

    from stack.tools import interrupts  # noqa: PLC0415  (an older Python can't import these)
    from stack.tools.errors import StackError  # noqa: PLC0415
    from stack.tools.process import become  # noqa: PLC0415
    from stack.tools.virtual_environment import VirtualEnvironment  # noqa: PLC0415

    locks = [ROOT / "scripts" / "requirements.lock", *([extra_lock.resolve()] if extra_lock else [])]
    own = VirtualEnvironment(ROOT / ".venv", tuple(locks))
    interrupts.end_at_once()
    try:
        if own.is_ready():
            if own.is_running():
                return
            python = str(own.python)
        elif own.is_running():  # it can't be remade from inside: do that from the Python it was made with
            own.discard()
            python = _base_python()
        else:
            with interrupts.raised(), _packages():
                own.make(assume_yes="--yes" in sys.argv[1:] if assume_yes is None else assume_yes)
            python = str(own.python)
        interrupts.hold_back()
        become([python, *sys.orig_argv[1:]])
    except StackError as error:
        print(f"{error.message}\nFix: {error.fix}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as interrupt:
        sys.exit(interrupts.exit_code(interrupt))


def bundle_named_in(arguments: list[str]) -> Path | None:
    """The file after ``--bundle``, as the script itself will read its arguments later."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--bundle", type=Path, nargs="?")
    path: Path | None = parser.parse_known_args(arguments)[0].bundle
    return path.absolute() if path else None


@contextmanager
def _packages() -> Iterator[None]:
    """While the block runs, pip and apt install from the bundle, where the script was given one."""
    path = bundle_named_in(sys.argv[1:])
    if path is None:
        yield
        return
    from stack.tools import offline  # noqa: PLC0415  (an older Python can't import these)
    from stack.tools.bundle_file import BundleFile  # noqa: PLC0415
    from stack.tools.elapsed import elapsed  # noqa: PLC0415

    bundle = BundleFile(path)
    with elapsed("Reading the bundle") as progress:
        bundle.check(progress)
    with offline.system_packages(bundle), offline.python_packages(bundle):
        yield


def _base_python() -> str:
    return getattr(sys, "_base_executable", None) or sys.executable
