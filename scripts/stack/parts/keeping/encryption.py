"""A backup behind a passphrase: by age, so that it can be opened without these scripts as well.

The file is then a tar archive of two: `key.age`, a key made for this file alone, encrypted with the passphrase, and
`backup.tar.zst.age`, encrypted with that key. (age takes a passphrase only for what fits into memory.) Without us:
tar -xf FILE; age -d key.age >key; age -d -i key backup.tar.zst.age | tar --zstd -x
"""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, BinaryIO, Final

import pyrage

from stack.parts.keeping.archive import DamagedError

KEY = "key.age"
BODY = "backup.tar.zst.age"
LONGEST_KEY = 4096
ALTERED = "it was cut or altered"
FORMAT: Final = tarfile.GNU_FORMAT  # its header has one length for whatever size


class WrongPassphraseError(Exception):
    """The file is encrypted, and not with this passphrase."""


@contextmanager
def encrypting(out: BinaryIO, passphrase: str) -> Iterator[BinaryIO]:
    """What is written to the file that this yields goes encrypted into ``out``, which must be seekable."""
    key = pyrage.x25519.Identity.generate()
    locked = pyrage.passphrase.encrypt(str(key).encode(), passphrase)
    out.write(_header(KEY, len(locked)) + locked + _padding(len(locked)))
    place = out.tell()
    out.write(_header(BODY, 0))
    with _through(lambda source: _encrypt(source, out, key), towards=True) as plain:
        yield plain
    size = out.tell() - place - tarfile.BLOCKSIZE
    out.write(_padding(size) + bytes(2 * tarfile.BLOCKSIZE))
    out.seek(place)
    out.write(_header(BODY, size))
    out.seek(0, os.SEEK_END)


def is_encrypted(file: BinaryIO) -> bool:
    """Whether the file is one of these; it is then read from its beginning again."""
    begin = file.read(len(KEY))
    file.seek(0)
    return begin == KEY.encode()


@contextmanager
def decrypting(file: BinaryIO, passphrase: str) -> Iterator[BinaryIO]:
    """Read from the file that this yields what is in ``file``.

    Raises:
        WrongPassphraseError: it is not this one.
        DamagedError: the file is not as it was written; told at the end of the block at the latest.
    """
    with _open_parts(file) as (locked, body):
        key = _unlocked(locked, passphrase)
        with _through(lambda plain: _decrypt(body, plain, key), towards=False) as plain:
            yield plain


@contextmanager
def _open_parts(file: BinaryIO) -> Iterator[tuple[bytes, IO[bytes]]]:
    try:
        with tarfile.open(fileobj=file, mode="r:") as parts:
            locked, body = parts.extractfile(KEY), parts.extractfile(BODY)
            if locked is None or body is None:
                raise DamagedError(ALTERED)
            yield locked.read(LONGEST_KEY), body
    except (tarfile.TarError, KeyError) as broken:
        raise DamagedError(ALTERED) from broken


def _unlocked(locked: bytes, passphrase: str) -> Any:
    try:
        return pyrage.x25519.Identity.from_str(pyrage.passphrase.decrypt(locked, passphrase).decode())
    except pyrage.DecryptError as refused:
        raise WrongPassphraseError from refused


class _Remembering:
    """A file that remembers why it could not be written to; the library keeps only the words."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


def _encrypt(source: BinaryIO, out: BinaryIO, key: Any) -> None:
    file = _Remembering(out)
    try:
        pyrage.encrypt_io(source, file, [key.to_public()])
    except pyrage.EncryptError as failed:
        raise file.error or failed from failed


def _decrypt(body: IO[bytes], plain: BinaryIO, key: Any) -> None:
    try:
        pyrage.decrypt_io(body, plain, [key])
    except BrokenPipeError:
        raise
    except (OSError, tarfile.TarError, pyrage.DecryptError) as error:
        if getattr(error, "errno", None):  # the disk's, not the library's
            raise
        raise DamagedError(ALTERED) from error


@contextmanager
def _through(work: Callable[[BinaryIO], None], *, towards: bool) -> Iterator[BinaryIO]:
    """Have a thread work at one end of a pipe while the block has the other.

    Args:
        towards: the block writes and the thread reads; else the other way round.

    Raises:
        Exception: what the work failed with, also where the block failed for want of it.
    """
    reading, writing = os.pipe()
    source, sink = os.fdopen(reading, "rb"), os.fdopen(writing, "wb")
    mine, other = (sink, source) if towards else (source, sink)
    failed: list[Exception] = []

    def at_work() -> None:
        try:
            with other:
                work(other)
        except BrokenPipeError:
            pass  # the block wants no more
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=at_work, daemon=True)
    thread.start()
    try:
        try:
            yield mine
        finally:
            with suppress(BrokenPipeError):  # the work has failed, which is told below
                mine.close()
            thread.join()
    except (BrokenPipeError, DamagedError):
        if not failed:
            raise
    if failed:
        raise failed[0]


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
