"""What the native runtime's processes need from the machine: an environment and folders; and what one lacked."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from stack.parts.foundry.system_library import system_library_error
from stack.parts.state import private_folder
from stack.settings import Settings
from stack.tools.errors import StackError

NOWHERE = "http://127.0.0.1:9"  # the discard port: refused at once
PROXY_KNOBS = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
SCRIPTS = Path(__file__).resolve().parents[3]
_MISSING = re.compile(r"(?P<library>lib[\w.+-]+\.so[.\d]*): cannot open shared object file")


def command(module: str, *arguments: str) -> list[str]:
    """The command line of a module of this part, run by the present Python."""
    return [sys.executable, "-m", f"stack.parts.foundry.{module}", *arguments]


def environment(settings: Settings, *, may_go_out: bool) -> dict[str, str]:
    """For `command`: no proxy for loopback, and what the runtime writes neither in the user's home nor in /tmp.

    Args:
        may_go_out: False sends whatever the runtime wants from outside to a proxy that is not there. Its telemetry
            (a ProcessInfo event that `disable_nonessential_telemetry` leaves on) takes the same way and goes nowhere.
    """
    direct = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1,localhost"]))
    ways_out = {} if may_go_out else dict.fromkeys(PROXY_KNOBS, NOWHERE)
    data = data_folder(settings)
    temporary = data / "tmp"
    private_folder(temporary)
    own_folders = {"XDG_CACHE_HOME": str(data / "cache"), "TMPDIR": str(temporary)}
    return {"PYTHONPATH": str(SCRIPTS), **own_folders, "NO_PROXY": direct, "no_proxy": direct, **ways_out}


def data_folder(settings: Settings) -> Path:
    """The runtime's own files, made if missing."""
    folder = settings.state / "foundry"
    private_folder(settings.state)
    private_folder(folder)
    return folder


def missing_library(output: str) -> StackError | None:
    """What to say when the output of such a process shows that a system library is missing."""
    found = _MISSING.search(output)
    return system_library_error(found["library"]) if found else None
