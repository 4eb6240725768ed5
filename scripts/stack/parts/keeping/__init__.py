"""Backups: all that the stack holds in one file, and back again. None of these takes the project's lock: callers do."""

from stack.parts.keeping.check import check
from stack.parts.keeping.make import make
from stack.parts.keeping.manifest import Manifest
from stack.parts.keeping.restore import finish, restore

__all__ = ["Manifest", "check", "finish", "make", "restore"]
