"""Backups: all that the stack holds in one file, and back again. None of these takes the project's lock: callers do."""

from stack.parts.keeping.beside import remove_left_over
from stack.parts.keeping.checking import Checked, check, needs_passphrase
from stack.parts.keeping.contents import VOLUMES, full_name
from stack.parts.keeping.env import env_in_place
from stack.parts.keeping.making import make
from stack.parts.keeping.manifest import Manifest
from stack.parts.keeping.putting_back import finish, forget, refuse_newer, restore
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
    "full_name",
    "kept",
    "make",
    "needs_passphrase",
    "refuse_newer",
    "remove_left_over",
    "restore",
]
