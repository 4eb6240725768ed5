"""Writes the file: the checksums of all its members first, then the members; there under its name once it is whole."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from stack.parts.disk import require_room
from stack.parts.model.files import settle_names, sha256
from stack.tools.bundle_file import SUMS
from stack.tools.errors import StackError
from stack.tools.progress import Progress
from stack.tools.user import hand_over


def write(target: Path, members: Mapping[str, Path], work: Path, progress: Progress) -> str:
    """Write the members, in their order.

    Args:
        work: a folder for the list of checksums.

    Returns:
        The SHA-256 of the whole file.

    Raises:
        StackError: ``disk-full``, or ``file-changed``: a member is not written as it was when its checksum was made.
    """
    total = sum(file.stat().st_size for file in members.values())
    require_room({target.parent: total}, "the bundle")
    digests, done = {}, 0
    for name, file in members.items():
        progress("working out checksums", done / total)
        digests[name] = sha256(file)
        done += file.stat().st_size
    sums = work / SUMS
    sums.write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()), encoding="utf-8")
    draft = target.with_name(f".{target.name}.partial")
    try:
        digest = _write(draft, {SUMS: sums, **members}, {SUMS: sha256(sums), **digests}, progress)
        hand_over(draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    settle_names(target.parent)
    return digest


def _write(draft: Path, members: Mapping[str, Path], digests: Mapping[str, str], progress: Progress) -> str:
    total = sum(file.stat().st_size for file in members.values())
    with draft.open("wb") as file:
        hashed = _Hashed(file)
        with tarfile.open(fileobj=cast(IO[bytes], hashed), mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for name, source in members.items():
                progress(f"writing {name}", min(hashed.size / total, 1.0))
                with source.open("rb") as content:
                    read = _Hashed(content)
                    archive.addfile(_entry(archive, name, content), cast(IO[bytes], read))
                if read.digest.hexdigest() != digests[name]:
                    raise StackError(
                        f"{source} was changed, or read otherwise, while the bundle was written.",
                        fix="Run this again; if it stays, check that disk and this machine's memory.",
                        cause="file-changed",
                    )
        file.flush()
        os.fsync(file.fileno())
    return hashed.digest.hexdigest()


def _entry(archive: tarfile.TarFile, name: str, content: IO[bytes]) -> tarfile.TarInfo:
    """Of nobody: whoever unpacks it owns it, and may change it."""
    entry = archive.gettarinfo(arcname=name, fileobj=content)
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    entry.type, entry.linkname = tarfile.REGTYPE, ""  # not a link to another member, which has a file of its own
    entry.size = os.fstat(content.fileno()).st_size
    return entry


class _Hashed:
    """A file that is hashed as it is written, or read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self.file.write(data)

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        self.digest.update(data)
        return data
