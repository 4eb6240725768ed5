"""The form of a backup: a tar archive in one Zstandard frame, which `tar --zstd -xf` opens as well.

First `manifest.json`, then `env` (the `.env` file, where there is one) and `volumes/NAME/...`, at last
`checksums.json`: what each entry before it is and holds. A file that is cut anywhere lacks the end of its frame.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any, BinaryIO, Final, Self, cast

import zstandard

from stack.parts.keeping.manifest import Manifest, NewerFormError
from stack.tools.chunks import Stream

MANIFEST = "manifest.json"
ENV = "env"
VOLUMES = "volumes"
CHECKSUMS = "checksums.json"
TAR: Final = tarfile.PAX_FORMAT
PIECE = 256 * 1024
SMALL_PIECE = 1024  # of what is compressed: that can be 32 MB
LONGEST_TEXT = 256 * 1024 * 1024  # of `checksums.json`, some 250 bytes a file
KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE)


class DamagedError(ValueError):
    """The file is cut, altered, or no backup at all; says what is wrong."""


class Content:
    """What is in one entry; counted and hashed while it is read, to its end."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = PIECE) -> bytes:
        """The next piece; empty at the end."""
        piece = self._file.read(size) if self._file else b""
        self._hash.update(piece)
        self.size += len(piece)
        return piece

    def pieces(self) -> Iterator[bytes]:
        """All that was not read yet."""
        return iter(self.read, b"")

    @property
    def digest(self) -> str:
        """Of what was read."""
        return self._hash.hexdigest()


class ReadContent(Content):
    """What is in an entry of a backup."""

    def read(self, size: int = PIECE) -> bytes:
        """The next piece.

        Raises:
            DamagedError: also to whoever reads it between two entries.
        """
        with _told_as_damage():
            return super().read(size)


@dataclass(frozen=True)
class Entry:
    """One entry of a backup that is read; the content is there until the next one is asked for.

    Args:
        volume: whose it is; empty for `env`.
        path: within the volume; ``.`` is the volume's own folder.
    """

    volume: str
    path: str
    info: tarfile.TarInfo
    content: Content


class Writer:
    """Writes a backup, entry by entry."""

    def __init__(self, out: BinaryIO, manifest: Manifest) -> None:
        compressor = zstandard.ZstdCompressor(write_checksum=True)
        self._frame = compressor.stream_writer(out, closefd=False)
        self._tar = tarfile.open(fileobj=self._frame, mode="w|", format=TAR)  # noqa: SIM115  (see `close`)
        self._checksums: list[dict[str, Any]] = []
        self._add_text(MANIFEST, manifest.as_json())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            with suppress(Exception):  # what is written is of no use any more
                self._tar.close()

    def add_env(self, content: bytes) -> None:
        """The `.env` file."""
        self._add_text(ENV, content)

    def add(self, volume: str, path: str, info: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        """An entry of a volume."""
        info.name = str(PurePosixPath(VOLUMES, volume, path))
        info.pax_headers = _of_no_place(info)
        info.uname = info.gname = ""
        info.mode &= 0o7777  # the engine's archives say there, too, what kind of a file it is
        self._add(info, content)

    def close(self) -> None:
        """Write what proves it whole."""
        text = json.dumps({"entries": self._checksums}, indent=0).encode()
        self._tar.addfile(_text_entry(CHECKSUMS, text), io.BytesIO(text))
        self._tar.close()
        self._frame.close()  # type: ignore[no-untyped-call]

    def _add_text(self, name: str, text: bytes) -> None:
        self._add(_text_entry(name, text), io.BytesIO(text))

    def _add(self, info: tarfile.TarInfo, file: IO[bytes] | None) -> None:
        content = Content(file)
        self._tar.addfile(info, cast(IO[bytes], content) if info.isfile() else None)
        self._checksums.append(_described(info, content))


class Reader:
    """Reads a backup from its beginning to its end, and proves it on the way.

    Nothing that it gave is to be believed before `entries` has come to its end without an error.

    Raises:
        DamagedError: from every method.
        NewerFormError: it was made by a newer version.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._stream = Stream(_decompressed(file))
        self._seen: list[dict[str, Any]] = []
        with _told_as_damage():
            self._tar = tarfile.open(fileobj=cast(IO[bytes], self._stream), mode="r|")  # noqa: SIM115  (holds nothing)
            info = self._tar.next()
            if info is None or info.name != MANIFEST or not info.isfile():
                raise DamagedError("it does not begin as a backup does")
            self.manifest = Manifest.from_json(self._text(info))

    def entries(self) -> Iterator[Entry]:
        """All of `env` and the volumes."""
        with _told_as_damage():
            names: set[str] = set()
            while (info := self._tar.next()) is not None:
                if info.name == CHECKSUMS:
                    self._prove(self._text(info, counted=False))
                    return
                if info.name in names:
                    raise DamagedError(f"{info.name} is in it twice")
                names.add(info.name)
                volume, path = self._place(info)
                content = ReadContent(self._tar.extractfile(info) if info.isfile() else None)
                yield Entry(volume, path, info, content)
                for _ in content.pieces():
                    pass
                self._seen.append(_described(info, content))
            raise DamagedError("it ends too early")

    def _place(self, info: tarfile.TarInfo) -> tuple[str, str]:
        if info.name == ENV and info.isfile():
            return "", ENV
        top, _, rest = info.name.partition("/")
        volume, _, path = rest.partition("/")
        clean = str(PurePosixPath(info.name)) == info.name and ".." not in PurePosixPath(info.name).parts
        if not path and not info.isdir():
            clean = False  # a volume is a folder
        if top != VOLUMES or volume not in self.manifest.volumes or info.type not in KINDS or not clean:
            raise DamagedError(f"{info.name!r} does not belong into it")
        return volume, path or "."

    def _text(self, info: tarfile.TarInfo, *, counted: bool = True) -> bytes:
        if info.size > LONGEST_TEXT:
            raise DamagedError(f"{info.name} is too long")
        content = Content(self._tar.extractfile(info))
        text = b"".join(content.pieces())
        if counted:
            self._seen.append(_described(info, content))
        return text

    def _prove(self, text: bytes) -> None:
        """Compare with what was written, and see that the file ends where it should."""
        written = json.loads(text)["entries"]
        for was, now in zip(written, self._seen, strict=False):
            if was != now:
                raise DamagedError(f"{now['name']} is not what was written")
        if len(written) != len(self._seen):
            raise DamagedError(f"it holds {len(self._seen)} entries, and {len(written)} were written")
        while piece := self._stream.read(PIECE):
            if piece.strip(b"\0"):
                raise DamagedError("something follows its end")


def as_tar(entries: Iterator[Entry], folder: str) -> Iterator[bytes]:
    """Entries of one volume as the bytes of a tar archive in which they lie below ``folder``."""
    for entry in entries:
        info = copy(entry.info)  # TarInfo.replace is not in every 3.11
        info.name = str(PurePosixPath(folder, entry.path))
        info.pax_headers = _of_no_place(info)
        yield info.tobuf(TAR)
        yield from entry.content.pieces()
        if info.isfile():
            yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _of_no_place(info: tarfile.TarInfo) -> dict[str, str]:
    """Its further headers, without those of the archive that it comes from; they would win over `name` and `size`."""
    return {key: value for key, value in info.pax_headers.items() if key not in ("path", "size")}


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    frame = zstandard.ZstdDecompressor().decompressobj()
    while not frame.eof and (piece := file.read(SMALL_PIECE)):
        yield frame.decompress(piece)
    if not frame.eof:
        raise DamagedError("it ends too early")
    if frame.unused_data or file.read(1):
        raise DamagedError("something follows its end")


@contextmanager
def _told_as_damage() -> Iterator[None]:
    """Whatever the libraries say of a file that is not as it should be, as one error."""
    try:
        yield
    except (DamagedError, NewerFormError):
        raise
    except zstandard.ZstdError as error:
        raise DamagedError(f"it can't be decompressed ({error})") from error
    except (tarfile.TarError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DamagedError(f"it can't be read ({error})") from error


def _text_entry(name: str, text: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = len(text)
    info.mode = 0o600
    return info


def _described(info: tarfile.TarInfo, content: Content) -> dict[str, Any]:
    return {
        "name": info.name,
        "kind": info.type.decode(),
        "mode": info.mode,
        "uid": info.uid,
        "gid": info.gid,
        "size": content.size,
        "sha256": content.digest,
        "target": info.linkname,
    }
