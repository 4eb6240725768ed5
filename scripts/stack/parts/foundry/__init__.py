"""Foundry Local on the host: found or started, its model chosen, brought and loaded.

The user's own Foundry Local is adopted and never stopped; else a daemon (`serve`) runs the one from foundry-local-sdk.
Which one is in use stands in `foundry.json` in the state folder (`record`), where the relay reads it.
"""

from stack.parts.foundry.discover import Found, find
from stack.parts.foundry.lifecycle import Foundry, FoundryStatus, ensure, load, status, stop
from stack.parts.foundry.system_library import install_system_library, system_library_is_missing

__all__ = [
    "Found",
    "Foundry",
    "FoundryStatus",
    "ensure",
    "find",
    "install_system_library",
    "load",
    "status",
    "stop",
    "system_library_is_missing",
]
