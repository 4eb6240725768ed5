"""Inside a container that has all volumes below /volumes: what was laid into each takes the place of what is there.

What comes lies in the folder INCOMING of its volume. Interrupted at any point, it is to be run again, and ends what was
begun: INCOMING says that the old things may still be there, ARRIVING that all of them are in OUTGOING.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

INCOMING, ARRIVING, OUTGOING = OURS = (".incoming", ".arriving", ".outgoing")


def filled(volumes: Path) -> list[str]:
    """The volumes that hold something."""
    return sorted(each.name for each in volumes.iterdir() if any(entry.name not in OURS for entry in each.iterdir()))


def clear(volumes: Path) -> None:
    """Have each volume be one thing again: what it was, unless that is half gone already."""
    for volume in volumes.iterdir():
        incoming, arriving, outgoing = (volume / name for name in OURS)
        if incoming.exists() and outgoing.exists():
            for entry in list(outgoing.iterdir()):
                entry.rename(volume / entry.name)
        shutil.rmtree(incoming, ignore_errors=True)
        if arriving.exists():
            _let_in(volume)
        shutil.rmtree(outgoing, ignore_errors=True)


def exchange(volumes: Path) -> None:
    """Put what was laid there in the place of the rest, on all volumes."""
    os.sync()
    each = sorted(volumes.iterdir())
    for volume in each:
        _let_in(volume)
    os.sync()
    for volume in each:
        shutil.rmtree(volume / OUTGOING, ignore_errors=True)


def _let_in(volume: Path) -> None:
    incoming, arriving, outgoing = (volume / name for name in OURS)
    if incoming.exists():
        outgoing.mkdir(exist_ok=True)
        for entry in list(volume.iterdir()):
            if entry.name not in OURS:
                entry.rename(outgoing / entry.name)
        incoming.rename(arriving)
    if arriving.exists():
        for entry in list(arriving.iterdir()):
            entry.rename(volume / entry.name)
        like = arriving.stat()
        os.chown(volume, like.st_uid, like.st_gid)
        volume.chmod(like.st_mode & 0o7777)
        arriving.rmdir()


def main(action: str, volumes: Path) -> None:
    """Do what is asked for."""
    match action:
        case "filled":
            print(json.dumps(filled(volumes)))
        case "clear":
            clear(volumes)
        case "exchange":
            exchange(volumes)


if __name__ == "__main__":
    main(sys.argv[1], Path("/volumes"))
