"""Backups: all that the stack holds in one file, and back again. None of these takes the project's lock: callers do."""

from stack.parts.keeping.check import Checked, check, needs_passphrase
from stack.parts.keeping.contents import VOLUMES
from stack.parts.keeping.env import env_in_place
from stack.parts.keeping.make import make
from stack.parts.keeping.manifest import Manifest
from stack.parts.keeping.restore import finish, forget, restore
from stack.parts.keeping.shelf import Kept, drop_oldest, kept

__all__ = [
    "VOLUMES",
    "Checked",
    "Kept",
    "Manifest",
    "check",
    "drop_oldest",
    "env_in_place",
    "finish",
    "forget",
    "kept",
    "make",
    "needs_passphrase",
    "restore",
]
