"""How errors reach the user: what is wrong and the next step; a traceback only for ``--debug``."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from stack.tools import interrupts
from stack.tools.errors import StackError


def show(error: StackError) -> None:
    """Print the message and the fix to standard error."""
    console = _console()
    console.print(Text(error.message, style="bold red"), soft_wrap=True)
    console.print(Text.assemble(("Fix: ", "bold"), error.fix), soft_wrap=True)


def guarded(main: Callable[[], int]) -> int:
    """Run a command and turn whatever goes wrong into words and an exit code.

    Returns:
        What ``main`` returned; a StackError's own exit code; 130 after Ctrl-C, 143 after SIGTERM, 129 after
        SIGHUP; 1 for a defect of ours.
    """
    debug = "--debug" in sys.argv[1:]
    try:
        with interrupts.raised():
            return main()
    except StackError as error:
        if debug:
            traceback.print_exc()
        show(error)
        return error.exit_code
    except KeyboardInterrupt as interrupt:
        if debug:
            traceback.print_exc()
        _console().print("Interrupted.")
        return interrupts.exit_code(interrupt)
    except Exception as defect:
        if debug:
            traceback.print_exc()
        else:
            kind = type(defect).__name__
            _console().print(
                Text(f"Unexpected {kind}: {defect}. Run again with --debug for the traceback."), soft_wrap=True
            )
        return 1


def _console() -> Console:
    return Console(stderr=True, highlight=False)
