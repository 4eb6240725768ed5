"""Whether a backup is whole, and as it was made."""

from __future__ import annotations

from pathlib import Path

from stack.parts.keeping.manifest import Manifest
from stack.tools.progress import Progress


def check(file: Path, progress: Progress, *, passphrase: str | None = None) -> Manifest:
    """Read all of it and compare it with the checksums inside.

    Raises:
        StackError: ``backup-missing``, ``backup-damaged`` (cut or altered; the message says what), ``passphrase-needed``,
            ``passphrase-wrong`` or ``backup-newer`` (of a form that this version does not know); exit code 2.
    """
    raise NotImplementedError
