"""Development mode: which folders the containers then run from, and whether they can."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stack.settings import ROOT
from stack.tools.errors import StackError

OVERLAY = "compose.dev.yaml"
SOURCES = ("services/chainlit", "services/webgpu-static/page", "services/webgpu-static/development")
TARGET = "/sources"


def check_sources_are_readable(root: Path = ROOT) -> None:
    """Refuse to start from files that the containers' users, who are nobody on this machine, may not read.

    Raises:
        StackError: ``sources-not-readable`` with the first such file; exit code 2.
    """
    for path in _files_below([root / each for each in SOURCES]):
        needed = stat.S_IROTH | stat.S_IXOTH if path.is_dir() else stat.S_IROTH
        if path.stat().st_mode & needed != needed:
            raise StackError(
                f"Development mode runs the containers from your files, and their users may not read {path}.",
                fix="chmod -R a+rX services   (your umask made them so); then run this again.",
                cause="sources-not-readable",
                exit_code=2,
            )


def sources_of(container: Mapping[str, Any]) -> Path | None:
    """The folder on the host that a container (as `docker inspect` shows it) runs from; None: from its image."""
    mounts = container.get("Mounts") or []
    found = (Path(each["Source"]) for each in mounts if each["Type"] == "bind" and each["Destination"] == TARGET)
    return next(found, None)


def _files_below(folders: list[Path]) -> Iterator[Path]:
    """The folders and what is in them; not what is hidden: an editor's own files are the user's alone."""
    for folder in folders:
        yield folder
        for path in folder.iterdir():
            if not path.name.startswith("."):
                yield from _files_below([path]) if path.is_dir() else [path]
