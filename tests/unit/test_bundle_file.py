"""The bundle's file: whole or refused with a reason, whatever has happened to it on the way."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.bundles import make_bundle
from stack.tools.bundle_file import MANIFEST, SUMS, BundleFile
from stack.tools.errors import StackError
from stack.tools.process import run
from stack.tools.progress import silent

MEMBERS = {
    "foundry-stack/README.md": b"Read me.\n",
    "wheels/one.whl": bytes(range(256)) * 10,
    "models/publisher/name-1/model.onnx": b"weights" * 1000,
    "images.tar.gz": b"layers" * 2000,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"), MEMBERS)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "copy.tar"))


def refused(path: Path, cause: str = "bundle-damaged") -> str:
    """Read it to its end, and be refused; why."""
    with pytest.raises(StackError) as why:
        BundleFile(path).check()
    assert (why.value.cause, why.value.exit_code) == (cause, 2)
    return why.value.message


def test_a_whole_one_passes_and_gives_what_was_put_in(whole: Path, tmp_path: Path) -> None:
    bundle = BundleFile(whole)
    bundle.check()
    assert set(bundle.sums) == {MANIFEST, *MEMBERS}
    bundle.take_out_folder("models", tmp_path)
    assert (tmp_path / "publisher/name-1/model.onnx").read_bytes() == MEMBERS["models/publisher/name-1/model.onnx"]
    assert b"".join(bundle.chunks("images.tar.gz")) == MEMBERS["images.tar.gz"]
    assert bundle.modified("images.tar.gz") == 1_700_000_000.25


def test_a_machine_with_tar_and_sha256sum_alone_can_check_it(whole: Path, tmp_path: Path) -> None:
    assert run(["tar", "-xf", str(whole), "-C", str(tmp_path)]).code == 0
    done = run(["sha256sum", "--check", "--strict", SUMS], cwd=tmp_path)
    assert done.code == 0, done.out + done.err
    assert len(done.out.splitlines()) == 1 + len(MEMBERS)


def test_cut_anywhere_it_is_refused(whole: Path, copy: Path) -> None:
    """To the end of the last member; what a tar archive has after it is blank and says nothing."""
    content = whole.read_bytes()
    with tarfile.open(whole) as archive:
        last = archive.getmembers()[-1]
        end = last.offset_data + last.size
    for size in {*range(0, end, 509), 512, 1024, end - 1}:
        copy.write_bytes(content[:size])
        refused(copy)


def test_one_bit_anywhere_that_counts_is_noticed(whole: Path, copy: Path) -> None:
    content = bytearray(whole.read_bytes())
    with tarfile.open(whole) as archive:
        places = [each.offset_data + each.size // 2 for each in archive.getmembers()]
        names = [each.name for each in archive.getmembers()]
    for name, place in zip(names, places, strict=True):
        content[place] ^= 1
        copy.write_bytes(content)
        message = refused(copy)
        assert name in message or "checksums" in message or name == SUMS, message
        content[place] ^= 1


def rewritten(source: Path, target: Path, change: Callable[[tarfile.TarFile], None]) -> Path:
    """The same archive with something done at its end."""
    shutil.copy(source, target)
    with tarfile.open(target, "a") as archive:
        change(archive)
    return target


def test_what_nobody_put_in_is_refused(whole: Path, copy: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.write_text("!")
    rewritten(whole, copy, lambda archive: archive.add(stranger, "wheels/stranger.whl"))
    assert "wheels/stranger.whl does not belong to it" in refused(copy)


def test_a_second_member_of_a_name_does_not_get_in(whole: Path, copy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("!")
    rewritten(whole, copy, lambda archive: archive.add(other, "wheels/one.whl"))
    assert "wheels/one.whl is not what it was" in refused(copy)


def test_a_link_in_the_place_of_a_file_is_refused(whole: Path, copy: Path) -> None:
    def add_link(archive: tarfile.TarFile) -> None:
        link = tarfile.TarInfo("wheels/one.whl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)

    rewritten(whole, copy, add_link)
    refused(copy)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "wheels/../../outside"])
def test_no_member_leaves_the_folder_that_it_is_taken_out_to(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.tar"
    sums = tmp_path / SUMS
    sums.write_text(f"{hashlib.sha256(b'').hexdigest()}  {name}\n")
    with tarfile.open(path, "w") as archive:
        archive.add(sums, SUMS)
        archive.addfile(tarfile.TarInfo(name))
    assert "checksums" in refused(path)


def test_other_files_are_no_bundles(tmp_path: Path) -> None:
    text, archive, nothing = tmp_path / "text", tmp_path / "other.tar", tmp_path / "empty"
    text.write_text("hello" * 1000)
    nothing.touch()
    with tarfile.open(archive, "w") as tar:
        tar.add(text, "text")
    for path in (text, archive, nothing):
        assert "is no bundle" in refused(path)
    assert "There is no file" in refused(tmp_path / "missing.tar", "bundle-missing")
    assert "can't be read" in refused(tmp_path, "bundle-missing")


def test_another_form_names_the_scripts_that_read_it(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="another form") as why:
        BundleFile(make_bundle(tmp_path, {}, schema=2))
    assert f"up.py --bundle {tmp_path}/bundle.tar" in why.value.fix


@pytest.mark.parametrize(
    ("said", "named"), [({"python": "3.9"}, "Python 3.9"), ({"platform": "linux-riscv64"}, "linux-riscv64")]
)
def test_one_for_another_machine_says_so(tmp_path: Path, said: dict[str, str], named: str) -> None:
    bundle = BundleFile(make_bundle(tmp_path, {}, **said))
    with pytest.raises(StackError, match=named) as why:
        bundle.refuse_another_python()
    assert (why.value.cause, why.value.exit_code) == ("bundle-for-another-machine", 2)


def test_checking_shows_how_far_it_is(whole: Path) -> None:
    shown: list[float] = []
    BundleFile(whole).check(lambda _, fraction=None: shown.append(fraction or 0))
    assert shown == sorted(shown)
    assert 0.9 < shown[-1] <= 1
    BundleFile(whole).check(silent)
