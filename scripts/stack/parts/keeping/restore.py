"""Puts what a backup holds in the place of what is there: all of it, or nothing."""

from __future__ import annotations

from pathlib import Path

from docker import DockerClient

from stack.parts.keeping.manifest import Manifest
from stack.settings import Settings
from stack.tools.progress import Progress


def restore(
    settings: Settings,
    client: DockerClient,
    file: Path,
    progress: Progress,
    *,
    replace: bool = False,
    passphrase: str | None = None,
) -> Manifest:
    """Check the file, lay what is in it beside the present data, and exchange the two.

    The stack's containers are stopped for the exchange, and stay stopped: `up` starts them. `.env` is not touched
    here; see `stack.parts.keeping.env`. Needs the images.

    Args:
        replace: take the place of data that is there; without it that is an error.

    Raises:
        StackError: what `check` raises; ``data-present``, ``disk-full``, ``image-missing``, ``data-newer`` (than the
            programs in the images); nothing has been changed then. ``restore-interrupted`` where the exchange could not
            be ended: `finish` does.
    """
    raise NotImplementedError


def finish(settings: Settings, client: DockerClient) -> bool:
    """End an exchange that was interrupted; costs nothing where there is none. `up` does this first.

    Returns:
        Whether there was one.
    """
    raise NotImplementedError
