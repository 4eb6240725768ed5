"""Whether what must be stored can be: the pages' volumes, the engine's own folder and the stack's state."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from docker.models.containers import Container

from stack.parts.disk import MB
from stack.probes.report import Outcome, degraded, failed, ok
from stack.probes.running import Running
from stack.probes.surroundings import CHAINLIT, OPEN_WEBUI
from stack.tools.docker_engine import chosen_by_user

DATA = "/data"  # where a page keeps its accounts and chats
DATABASES = {CHAINLIT: f"{DATA}/chats.db", OPEN_WEBUI: f"{DATA}/webui.db"}
"""The pages that store something, and the file of each one's that is written to."""

LEAST_IN_VOLUME = 4 * MB  # below that a database can't take a chat
LEAST_INODES = 8  # a database that is written to has files beside it
LEAST_ON_DISK = 200 * MB  # below that the engine can't be expected to make a container, nor a log to grow

# Asks, and writes nothing: access(2) knows about a file system that is read-only, and whose the file is.
_CAN_STORE = """
stat -f -c '%S %b %a %c %d' "$1"
for each in "$1" "$2"; do if [ -e "$each" ] && ! [ -w "$each" ]; then echo "$each"; fi; done
"""


async def volume_can_be_written(running: Running, container: Container, service: str) -> Outcome:
    """The user that the page's server runs as may write its database, and there is room for it."""
    names = _names(container)
    argv = ["sh", "-c", _CAN_STORE, "sh", DATA, DATABASES[service]]
    code, printed = await running.in_container(container, argv)
    try:
        sizes, *not_writable = printed.splitlines()
        block, blocks, free, inodes, free_inodes = map(int, sizes.split())
    except ValueError:
        return failed("unknown", f"its volume can't be looked at ({code}): {printed[-160:]}", **names)
    if not_writable:
        return failed("volume-read-only", f"its user may not write {', '.join(not_writable)}", **names)
    if free * block < LEAST_IN_VOLUME or (inodes > 0 and free_inodes < LEAST_INODES):
        left = f"{free * block / MB:.1f} MB and {free_inodes} files"
        if await _is_on_disk_of_engine(running, block * blocks, free * block):
            return failed("disk-full", f"room for {left} where the engine keeps its volumes", **names)
        return failed("volume-full", f"room for {left} in {DATA}", **names)
    return ok(f"{free * block / MB:,.0f} MB free in {DATA}")


def volume_is_mounted_read_only(container: Container) -> Outcome | None:
    """What is wrong where the engine itself gives a page its volume to read only, so that it can't even start."""
    mounts = (each for each in container.attrs.get("Mounts") or () if each["Destination"] == DATA)
    if any(not each.get("RW", True) for each in mounts):
        evidence = f"the engine mounts {DATA} to be read only; {container.status}"
        return failed("volume-read-only", evidence, **_names(container))
    return None


def not_stored(container: Container, said: str, evidence: str) -> Outcome | None:
    """What is wrong, where the last words of a page's server that ended are that it can't write."""
    why = why_not_stored(said)
    return failed(why, evidence, **_names(container)) if why else None


def why_not_stored(said: str) -> str | None:
    """The cause, where the last words are that it can't write: there are several for it."""
    words = said.lower()
    if "disk is full" in words or "no space left on device" in words:
        return "volume-full"
    read_only = ("readonly database", "read-only file system", f"permission denied: '{DATA}", "unable to open database")
    if any(each in words for each in read_only):
        return "volume-read-only"
    return None


async def disks_have_room(running: Running) -> Outcome:
    """There is some room where the engine keeps what it makes, and where the stack keeps its state."""
    state = running.settings.state
    places = {"the stack's state": state if state.is_dir() else None, "the engine": await engine_root(running)}
    free: list[str] = []
    for whose, folder in places.items():
        if folder is None:
            continue
        try:
            found = os.statvfs(folder)
        except OSError:  # another user's
            continue
        room = found.f_bavail * found.f_frsize
        if room < LEAST_ON_DISK or (found.f_files > 0 and found.f_favail < LEAST_INODES):
            left = f"{room / MB:.1f} MB and {found.f_favail} files"
            return degraded("disk-full", f"room for {left} in {folder}, the folder of {whose}")
        free.append(f"{room / MB:,.0f} MB free in {folder}")
    return ok("; ".join(free) or "where the engine keeps its files can't be seen from here")


async def engine_root(running: Running) -> Path | None:
    """The engine's own folder; None where it is not this machine's."""
    if os.name == "nt" or chosen_by_user():
        return None
    root = Path((await asyncio.to_thread((await running.engine()).info))["DockerRootDir"])
    try:
        return root if root.is_dir() else None
    except OSError:
        return None


def _names(container: Container) -> dict[str, str]:
    mounts = container.attrs.get("Mounts") or ()
    volume = next((str(each.get("Name") or each["Source"]) for each in mounts if each["Destination"] == DATA), "")
    config = container.attrs["Config"]
    return {
        "container": str(container.name),
        "volume": volume,
        "image": str(config["Image"]),
        "user": str(config["User"]),
    }


async def _is_on_disk_of_engine(running: Running, size: int, free: int) -> bool:
    """Whether it is the same disk, by what both show of it: inside and outside it has other names."""
    root = await engine_root(running)
    if root is None:
        return False
    found = os.statvfs(root)
    alike = abs(found.f_bavail * found.f_frsize - free) < LEAST_IN_VOLUME
    return found.f_blocks * found.f_frsize == size and alike
