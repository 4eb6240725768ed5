"""Backups without a stack: with a few files of every kind, and files of that form that nobody would write."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from stack.parts.keeping.archive import TAR, Reader, Writer
from stack.parts.keeping.manifest import Manifest

CHATS, SECRETS = "chainlit-data", "chainlit-secrets"
MADE = datetime(2026, 11, 27, 13, 15, 2, tzinfo=UTC)
MANIFEST = Manifest(MADE, "foundry-stack", {"chainlit": "2.12.0"}, (SECRETS, CHATS))
FILES: Mapping[str, bytes] = {
    "chats.db": b"SQLite format 3\0" + bytes(range(256)) * 40,
    "uploads/ärger 1.txt": "Grüße".encode(),
    "uploads/empty": b"",
    "uploads/" + "long/" * 30 + "name": b"deep",
}
ENV = b"MODEL=auto\nAPI_KEY=geheim\n"


def entry(name: str, kind: bytes = tarfile.REGTYPE, *, size: int = 0, mode: int = 0o640) -> tarfile.TarInfo:
    """An entry as the program inside makes it."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid, info.mtime, info.size = kind, mode, 10001, 10001, 1764249302, size
    return info


def written(files: Mapping[str, bytes] = FILES, env: bytes | None = ENV) -> bytes:
    """A backup with a secret, these files, a folder and a link."""
    out = io.BytesIO()
    with Writer(out, MANIFEST) as writer:
        if env is not None:
            writer.add_env(env)
        writer.add(SECRETS, ".", entry(".", tarfile.DIRTYPE, mode=0o755), None)
        writer.add(SECRETS, "token", entry("token", size=5, mode=0o400), io.BytesIO(b"token"))
        writer.add(CHATS, ".", entry(".", tarfile.DIRTYPE, mode=0o700), None)
        for name, content in files.items():
            writer.add(CHATS, name, entry(name, size=len(content)), io.BytesIO(content))
        link = entry("newest", tarfile.SYMTYPE)
        link.linkname = "uploads/empty"
        writer.add(CHATS, "newest", link, None)
    return out.getvalue()


def read(backup: bytes) -> dict[str, object]:
    """All that is in it, proved."""
    reader = Reader(io.BytesIO(backup))
    found: dict[str, object] = {"manifest": reader.manifest}
    for each in reader.entries():
        info = each.info
        about = (info.type, info.mode, info.uid, info.gid, info.linkname)
        found[f"{each.volume}:{each.path}"] = (about, b"".join(each.content.pieces()))
    return found


def changed(backup: bytes, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]) -> bytes:
    """The same with each entry as ``change`` makes it, or without; a whole frame around a whole archive."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(unpacked(backup))) as before,
        tarfile.open(fileobj=out, mode="w", format=TAR) as after,
    ):
        for info in before:
            file = before.extractfile(info) if info.isfile() else None
            if (now := change(info, file.read() if file else b"")) is not None:
                other, content = now
                other.size = len(content)
                after.addfile(other, io.BytesIO(content) if other.isfile() else None)
    return packed(out.getvalue())


def unpacked(backup: bytes) -> bytes:
    """Its tar archive."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(backup)


def packed(archive: bytes) -> bytes:
    """A tar archive in a frame."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(archive)


def on_disk(folder: Path, backup: bytes, name: str = "foundry-stack-20261127-131502.tar.zst") -> Path:
    """A file with it."""
    file = folder / name
    file.write_bytes(backup)
    return file
