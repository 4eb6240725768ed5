"""A backup behind a passphrase: opened with it, by others' programs too; and told where it is cut or altered."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import Any, cast

import pyrage
import pytest

from fakes.backups import MANIFEST, on_disk, read, written
from stack.parts.keeping import check, encryption, needs_passphrase
from stack.parts.keeping.archive import DamagedError
from stack.parts.keeping.encryption import decrypting, encrypting, is_encrypted
from stack.tools.errors import StackError
from stack.tools.progress import silent

PASSPHRASE = "correct horse battery staple"
LONG = os.urandom(1_000_000)


def encrypted(content: bytes) -> bytes:
    out = io.BytesIO()
    with encrypting(out, PASSPHRASE) as plain:
        plain.write(content)
    return out.getvalue()


def decrypted(backup: bytes, passphrase: str = PASSPHRASE) -> bytes:
    with decrypting(io.BytesIO(backup), passphrase) as plain:
        return plain.read()


@pytest.fixture(scope="module")
def backup() -> bytes:
    return encrypted(written())


@pytest.fixture(scope="module")
def long() -> bytes:
    return encrypted(LONG)


@pytest.fixture
def known_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """To find a key by its passphrase takes a second, on purpose; here it is found once."""
    found: dict[bytes, Any] = {}
    real = encryption._unlocked

    def unlocked(locked: bytes, passphrase: str) -> Any:
        if locked not in found:
            found[locked] = real(locked, passphrase)
        return found[locked]

    monkeypatch.setattr(encryption, "_unlocked", unlocked)


def test_it_is_opened_with_the_passphrase(backup: bytes) -> None:
    assert is_encrypted(io.BytesIO(backup))
    assert not is_encrypted(io.BytesIO(written()))
    assert read(decrypted(backup)) == read(written())


def test_nothing_of_it_can_be_read_without(backup: bytes) -> None:
    assert b"foundry-stack" not in backup
    assert b"geheim" not in backup


@pytest.mark.full
def test_it_is_opened_by_what_knows_age(backup: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(backup)) as parts:
        assert parts.getnames() == ["key.age", "backup.tar.zst.age"]
        key, body = (cast(io.BufferedReader, parts.extractfile(name)).read() for name in parts.getnames())
    identity = pyrage.x25519.Identity.from_str(pyrage.passphrase.decrypt(key, PASSPHRASE).decode())
    assert read(pyrage.decrypt(body, [identity])) == read(written())


def test_another_passphrase_is_told(tmp_path: Path, backup: bytes) -> None:
    file = on_disk(tmp_path, backup)
    assert needs_passphrase(file)
    for passphrase, cause in ((PASSPHRASE.upper(), "passphrase-wrong"), (None, "passphrase-needed")):
        with pytest.raises(StackError) as told:
            check(file, silent, passphrase=passphrase)
        assert (told.value.cause, told.value.exit_code) == (cause, 2)


@pytest.mark.full
@pytest.mark.usefixtures("known_key")
def test_cut_anywhere_it_is_refused(tmp_path: Path, backup: bytes) -> None:
    assert check(on_disk(tmp_path, backup), silent, passphrase=PASSPHRASE).manifest == MANIFEST
    end = backup.rstrip(b"\0")
    for length in (*range(1536, len(end), 61), len(end) - 1):
        with pytest.raises(StackError) as told:
            check(on_disk(tmp_path, backup[:length]), silent, passphrase=PASSPHRASE)
        assert told.value.cause == "backup-damaged", length


@pytest.mark.full
@pytest.mark.usefixtures("known_key")
def test_altered_anywhere_it_is_refused(tmp_path: Path, backup: bytes) -> None:
    begin = backup.index(b"age-encryption.org", 1024)
    for at in range(begin, len(backup.rstrip(b"\0")), 23):
        altered = bytearray(backup)
        altered[at] ^= 1
        with pytest.raises(StackError) as told:
            check(on_disk(tmp_path, bytes(altered)), silent, passphrase=PASSPHRASE)
        assert told.value.cause == "backup-damaged", at


@pytest.mark.full
@pytest.mark.usefixtures("known_key")
def test_a_long_one_is_read_in_pieces(long: bytes) -> None:
    assert decrypted(long) == LONG
    altered = bytearray(long)
    altered[-600_000] ^= 1
    with pytest.raises(DamagedError):
        decrypted(bytes(altered))


@pytest.mark.full
@pytest.mark.usefixtures("known_key")
def test_who_stops_reading_is_not_held_up(long: bytes) -> None:
    with decrypting(io.BytesIO(long), PASSPHRASE) as plain:
        assert plain.read(10) == LONG[:10]


def test_a_disk_that_is_full_is_told_as_that() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 200_000:
                raise OSError(28, "No space left on device")
            return super().write(data)

    with pytest.raises(OSError, match="No space left"), encrypting(Full(), PASSPHRASE) as plain:
        for _ in range(100):
            plain.write(LONG)
