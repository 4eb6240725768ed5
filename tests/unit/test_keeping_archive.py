"""A backup's form: what was put in comes out again, and what is cut or altered is told, wherever."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.backups import CHATS, ENV, FILES, MANIFEST, changed, entry, on_disk, packed, read, unpacked, written
from stack.parts.keeping import check
from stack.parts.keeping.archive import DamagedError, Reader, Writer, as_tar
from stack.parts.keeping.manifest import Manifest
from stack.tools.errors import StackError
from stack.tools.progress import silent

Changed = tuple[tarfile.TarInfo, bytes] | None


def test_what_was_put_in_comes_out_again() -> None:
    found = read(written())
    assert found["manifest"] == MANIFEST
    assert found[":env"] == ((tarfile.REGTYPE, 0o600, 0, 0, ""), ENV)
    assert {path: found[f"{CHATS}:{path}"] for path in FILES} == {
        path: ((tarfile.REGTYPE, 0o640, 10001, 10001, ""), content) for path, content in FILES.items()
    }
    assert found[f"{CHATS}:."] == ((tarfile.DIRTYPE, 0o700, 10001, 10001, ""), b"")
    assert found[f"{CHATS}:newest"] == ((tarfile.SYMTYPE, 0o640, 10001, 10001, "uploads/empty"), b"")


def test_one_that_is_long_is_read_in_pieces() -> None:
    long = os.urandom(3_000_000)
    found = read(written({"long": long}))
    assert found[f"{CHATS}:long"] == ((tarfile.REGTYPE, 0o640, 10001, 10001, ""), long)


@pytest.mark.timeout(60)
def test_one_that_says_the_same_all_along_is_read_in_pieces() -> None:
    """A hundred megabytes that are packed into some kilobytes: neither all at once, nor again with each piece."""
    once = os.urandom(10_000)
    backup = written({"long": once * 10_000})
    assert len(backup) < 100_000
    long = Reader(io.BytesIO(backup))
    (size,) = {sum(map(len, each.content.pieces())) for each in long.entries() if each.path == "long"}
    assert size == 100_000_000


def test_a_volume_becomes_an_archive_below_a_folder() -> None:
    reader = Reader(io.BytesIO(written()))
    pieces = b"".join(as_tar((each for each in reader.entries() if each.volume == CHATS), ".incoming"))
    with tarfile.open(fileobj=io.BytesIO(pieces)) as archive:
        found = {each.name: each for each in archive}
        assert found[".incoming"].isdir()
        assert {name.removeprefix(".incoming/") for name in found} == {".incoming", *FILES, "newest"}
        for path, content in FILES.items():
            member = archive.extractfile(f".incoming/{path}")
            assert member
            assert member.read() == content
        kept = found[".incoming/chats.db"]
        assert (kept.mode, kept.uid, kept.gid, kept.mtime) == (0o640, 10001, 10001, 1764249302)


def test_the_engine_s_way_to_write_a_mode_is_understood() -> None:
    """Its archives hold `st_mode` whole; what is read from ours later is the lower half."""
    out = io.BytesIO()
    info = entry("chats.db", size=4, mode=stat.S_IFREG | 0o640)
    with Writer(out, MANIFEST) as writer:
        writer.add(CHATS, "chats.db", info, io.BytesIO(b"data"))
    assert read(out.getvalue())[f"{CHATS}:chats.db"][0][1] == 0o640


def test_it_is_an_archive_that_others_can_open() -> None:
    with tarfile.open(fileobj=io.BytesIO(unpacked(written()))) as archive:
        names = archive.getnames()
    assert names[0] == "manifest.json"
    assert names[-1] == "checksums.json"
    assert f"volumes/{CHATS}/chats.db" in names


def test_cut_anywhere_it_is_refused() -> None:
    whole = written()
    for length in range(len(whole)):
        with pytest.raises(DamagedError):
            read(whole[:length])


def test_altered_anywhere_it_is_refused_or_holds_the_same() -> None:
    """One thing can be compressed in more ways than one, so a few altered files are the same, packed otherwise."""
    whole, right = written(), read(written())
    refused = 0
    for at in range(len(whole)):
        for bit in (0, 3, 4, 7):
            altered = bytearray(whole)
            altered[at] ^= 1 << bit
            try:
                assert read(bytes(altered)) == right
                assert unpacked(bytes(altered)) == unpacked(whole)
            except DamagedError:
                refused += 1
    assert refused > 0.95 * 4 * len(whole)


def test_damage_that_shows_while_the_last_file_is_read_is_refused(tmp_path: Path) -> None:
    """The checksum of all comes with the end, which is read together with a file that is not far before it."""
    whole = written({"first": os.urandom(200_000), "last": b"x"})
    for at in (50_000, 100_000, 200_000):
        altered = bytearray(whole)
        altered[at] ^= 1
        with pytest.raises(StackError, match="is no whole backup") as refused:
            check(on_disk(tmp_path, bytes(altered)), silent)
        assert refused.value.exit_code == 2


@pytest.mark.parametrize("more", [b"\0", b"x", b"\0" * 20000])
def test_with_something_after_its_end_it_is_refused(more: bytes) -> None:
    with pytest.raises(DamagedError, match="follows"):
        read(written() + more)


def test_with_something_after_the_archives_end_it_is_refused() -> None:
    with pytest.raises(DamagedError, match="follows"):
        read(packed(unpacked(written()) + b"more"))


def _other_content(info: tarfile.TarInfo, content: bytes) -> Changed:
    return (info, content.replace(b"Gr", b"Kr"))


def _other_mode(info: tarfile.TarInfo, content: bytes) -> Changed:
    if info.name.endswith("/token"):
        info.mode = 0o444
    return info, content


def _other_owner(info: tarfile.TarInfo, content: bytes) -> Changed:
    if info.name.endswith("/token"):
        info.uid = 0
    return info, content


def _other_target(info: tarfile.TarInfo, content: bytes) -> Changed:
    if info.issym():
        info.linkname = "/etc/passwd"
    return info, content


def _one_less(info: tarfile.TarInfo, content: bytes) -> Changed:
    return None if info.name.endswith("/empty") else (info, content)


def _the_last_less(info: tarfile.TarInfo, content: bytes) -> Changed:
    return None if info.issym() else (info, content)


def _no_checksums(info: tarfile.TarInfo, content: bytes) -> Changed:
    return None if info.name == "checksums.json" else (info, content)


def _no_manifest(info: tarfile.TarInfo, content: bytes) -> Changed:
    return None if info.name == "manifest.json" else (info, content)


def _other_manifest(info: tarfile.TarInfo, content: bytes) -> Changed:
    return info, content.replace(b'"foundry-stack"', b'"foundry-other"') if info.name == "manifest.json" else content


def _odd_manifest(info: tarfile.TarInfo, content: bytes) -> Changed:
    return info, b'{"form": 1, "project": []}' if info.name == "manifest.json" else content


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_other_content, "is not what was written"),
        (_other_mode, "is not what was written"),
        (_other_owner, "is not what was written"),
        (_other_target, "is not what was written"),
        (_one_less, "is not what was written"),
        (_the_last_less, "entries"),
        (_no_checksums, "ends too early"),
        (_no_manifest, "does not begin"),
        (_other_manifest, "is not what was written"),
        (_odd_manifest, "does not say all"),
    ],
)
def test_an_archive_that_is_whole_but_altered_is_refused(
    change: Callable[[tarfile.TarInfo, bytes], Changed], reason: str
) -> None:
    with pytest.raises(DamagedError, match=reason):
        read(changed(written(), change))


@pytest.mark.parametrize(
    "info",
    [
        entry("volumes/chainlit-data/../../etc/passwd"),
        entry("/etc/passwd"),
        entry("volumes/somebodys/file"),
        entry("volumes/chainlit-data", tarfile.SYMTYPE),
        entry("volumes/chainlit-data"),
        entry("volumes"),
        entry("volumes//chainlit-data/x"),
        entry("other"),
        entry("volumes/chainlit-data/pipe", tarfile.FIFOTYPE),
        entry("volumes/chainlit-data/device", tarfile.BLKTYPE),
        entry("volumes/chainlit-data/same", tarfile.LNKTYPE),
        entry("env", tarfile.DIRTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_what_does_not_belong_into_it_is_refused(info: tarfile.TarInfo) -> None:
    out = io.BytesIO()
    with Writer(out, MANIFEST) as writer:
        writer._add(info, io.BytesIO())
    with pytest.raises(DamagedError, match="does not belong"):
        read(out.getvalue())


def test_an_entry_that_comes_twice_is_refused() -> None:
    out = io.BytesIO()
    with Writer(out, MANIFEST) as writer:
        for _ in range(2):
            writer.add(CHATS, "twice", entry("twice"), io.BytesIO())
    with pytest.raises(DamagedError, match="twice"):
        read(out.getvalue())


def test_a_manifest_stays_as_it_is() -> None:
    versions, tables = {"chainlit": "1"}, {"chainlit": "v0001_chats"}
    manifest = Manifest(MANIFEST.created_at, "mine", versions, ("chainlit-data",), ("something",), tables)
    assert Manifest.from_json(manifest.as_json()) == manifest


# --- what the user reads ---


def test_a_whole_one_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    found = check(on_disk(tmp_path, written()), silent)
    assert found.manifest == MANIFEST
    assert found.env == ENV
    assert found.size == sum(map(len, FILES.values())) + len(ENV) + len(b"token")
    assert found.count == len(FILES) + 5


def test_one_without_settings_has_none(tmp_path: Path) -> None:
    assert check(on_disk(tmp_path, written(env=None)), silent).env is None
    assert check(on_disk(tmp_path, written(env=b"")), silent).env == b""


def _of_a_newer_form(info: tarfile.TarInfo, content: bytes) -> Changed:
    return info, content.replace(b'"form": 1', b'"form": 2')


def _with_an_unknown_volume(info: tarfile.TarInfo, content: bytes) -> Changed:
    if info.name != "manifest.json":
        return None
    return info, json.dumps({**json.loads(content), "volumes": ["gateway-secrets", "from-the-future"]}).encode()


@pytest.mark.parametrize(
    ("backup", "cause"),
    [
        (written()[:-3], "backup-damaged"),
        (b"", "backup-damaged"),
        (b"PK\x03\x04 something else", "backup-damaged"),
        (changed(written(), _of_a_newer_form), "backup-newer"),
        (changed(written(), _with_an_unknown_volume), "backup-newer"),
    ],
    ids=["cut", "empty", "no-backup", "newer-form", "newer-volume"],
)
def test_what_is_wrong_is_told(tmp_path: Path, backup: bytes, cause: str) -> None:
    with pytest.raises(StackError) as told:
        check(on_disk(tmp_path, backup), silent)
    assert (told.value.cause, told.value.exit_code) == (cause, 2)
    assert "Nothing was changed." in told.value.message


def test_one_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.tar.zst", tmp_path):
        with pytest.raises(StackError) as told:
            check(path, silent)
        assert told.value.cause == "backup-missing"
