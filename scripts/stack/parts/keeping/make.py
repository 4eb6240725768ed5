"""Makes a backup, whether the stack runs or not."""

from __future__ import annotations

from pathlib import Path

from docker import DockerClient

from stack.settings import Settings
from stack.tools.progress import Progress


def make(
    settings: Settings, client: DockerClient, folder: Path, progress: Progress, *, passphrase: str | None = None
) -> Path:
    """Write all of the stack's data into one new file; needs the images, and no running container.

    Args:
        folder: where to; made where it is missing.
        passphrase: encrypt with it.

    Returns:
        The file, complete; nothing of it is there where it could not be made.

    Raises:
        StackError: ``no-data`` (nothing to back up), ``data-damaged`` (a database fails its check), ``disk-full``,
            ``image-missing`` or ``backup-failed``.
    """
    raise NotImplementedError
