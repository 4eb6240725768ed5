"""Whether a backup is whole, and as it was made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stack.parts.keeping.archive import DamagedError, Reader
from stack.parts.keeping.contents import VOLUMES
from stack.parts.keeping.encryption import WrongPassphraseError, decrypting, is_encrypted
from stack.parts.keeping.manifest import Manifest, NewerFormError
from stack.tools.errors import StackError
from stack.tools.progress import Progress

MB = 1_000_000


@dataclass(frozen=True)
class Checked:
    """A backup that was read to its end, and is as it was written.

    Args:
        env: the `.env` file; None where there was none.
        size: bytes of all that is in it, unpacked.
        count: how many entries.
    """

    manifest: Manifest
    env: bytes | None
    size: int
    count: int


def check(file: Path, progress: Progress, *, passphrase: str | None = None) -> Checked:
    """Read all of it and compare it with the checksums inside.

    Raises:
        StackError: ``backup-missing``, ``backup-damaged`` (cut or altered; the message says what), ``backup-newer`` (of
            a form that this version does not know), ``passphrase-needed`` or ``passphrase-wrong``; exit code 2.
    """
    env, size, count = None, 0, 0
    with opened(file, passphrase) as reader:
        for entry in reader.entries():
            for piece in entry.content.pieces():
                size += len(piece)
                env = (env or b"") + piece if not entry.volume else env
                progress(f"{size / MB:,.0f} MB", None)
            if not entry.volume:
                env = env or b""
            count += 1
        return Checked(reader.manifest, env, size, count)


def needs_passphrase(file: Path) -> bool:
    """Whether the file is an encrypted backup.

    Raises:
        StackError: ``backup-missing``; exit code 2.
    """
    try:
        with file.open("rb") as content:
            return is_encrypted(content)
    except OSError as missing:
        raise _missing(file, missing) from missing


@contextmanager
def opened(file: Path, passphrase: str | None) -> Iterator[Reader]:
    """Read a backup; whatever is wrong with it, in words for the user.

    Raises:
        StackError: see `check`.
    """
    encrypted = needs_passphrase(file)
    if encrypted and passphrase is None:
        raise StackError(
            f"{file.name} is encrypted.",
            fix="Run this on a terminal, which asks for the passphrase; or add --passphrase-file FILE.",
            cause="passphrase-needed",
            exit_code=2,
        )
    try:
        with file.open("rb") as content:
            if encrypted and passphrase is not None:
                with decrypting(content, passphrase) as plain:
                    yield _known(Reader(plain))
            else:
                yield _known(Reader(content))
    except DamagedError as damaged:
        raise StackError(
            f"{file.name} is no whole backup: {damaged}. Nothing was changed.",
            fix="Take another one: python3 scripts/backup.py --list   names those that are there.",
            cause="backup-damaged",
            exit_code=2,
        ) from damaged
    except NewerFormError as newer:
        raise StackError(
            f"{file.name} was made by a newer version of these scripts. Nothing was changed.",
            fix="Bring this folder to that version first.",
            cause="backup-newer",
            exit_code=2,
        ) from newer
    except WrongPassphraseError as wrong:
        raise StackError(
            f"That is not the passphrase of {file.name}.",
            fix="Try again with the one that it was made with; nobody can open it without.",
            cause="passphrase-wrong",
            exit_code=2,
        ) from wrong


def _known(reader: Reader) -> Reader:
    if not set(reader.manifest.volumes) <= set(VOLUMES):
        raise NewerFormError
    return reader


def _missing(file: Path, error: OSError) -> StackError:
    return StackError(
        f"{file} can't be read: {error.strerror}.",
        fix="python3 scripts/backup.py --list   names those that are there.",
        cause="backup-missing",
        exit_code=2,
    )
