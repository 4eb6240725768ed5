"""The scripts' own Python packages: a virtual environment made from hash-locked files. Standard library only.

Two files in it tell what it is: `made-by-foundry-stack` from its first moment on (so that nobody else's folder is
ever removed), and `complete.json` only once everything is in place.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.tools import apt
from stack.tools.consent import agree
from stack.tools.elapsed import elapsed
from stack.tools.errors import StackError
from stack.tools.process import Finished, run, stream
from stack.tools.progress import Progress
from stack.tools.user import hand_over, run_as

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MARK = "made-by-foundry-stack"
STAMP = "complete.json"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PIP = ["-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input", "--disable-pip-version-check"]


@dataclass(frozen=True)
class VirtualEnvironment:
    """A folder with Python packages of its own, holding what the lock files list, hash by hash.

    Args:
        folder: where it is, or will be made (absolute).
        locks: pip requirement files with hashes, complete (nothing is resolved).
    """

    folder: Path
    locks: tuple[Path, ...]

    @property
    def python(self) -> Path:
        """The interpreter to run inside it."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def is_running(self) -> bool:
        """Whether this very process runs inside it."""
        return self.folder.exists() and self.folder.samefile(sys.prefix)

    def is_ready(self) -> bool:
        """Whether it is complete, made here from these locks, and its interpreter is still the one it was made with."""
        stamp = self._stamp()
        return (
            stamp.get("folder") == str(self.folder)
            and set(self._digests()) <= set(stamp.get("locks", []))
            and os.access(self.python, os.X_OK)
            and (not self.is_running() or stamp.get("python") == PYTHON)
        )

    def discard(self) -> None:
        """Make sure that it is not taken for ready any more, by whichever Python asks."""
        try:
            (self.folder / STAMP).unlink(missing_ok=True)
        except PermissionError as denied:
            raise _not_yours(denied, self.folder) from denied

    def make(self, *, assume_yes: bool) -> None:
        """Make it, or bring it up to date. Two at once: the second waits for the first.

        Args:
            assume_yes: install the missing part of Debian's or Ubuntu's Python without asking.

        Raises:
            StackError: exit code 2; no network, no space, no rights, or a folder that somebody else made.
        """
        try:
            with _alone(self.locks[0]) as lock:
                if self.is_ready():
                    return
                if not self._can_be_extended():
                    _ensure_ensurepip(assume_yes=assume_yes)
                    self._remove_what_is_there()
                    self._make_empty()
                self._install(lock)
                self._hand_to_user()
                self._write_stamp()
        except PermissionError as denied:
            raise _not_yours(denied, self.folder) from denied

    def _stamp(self) -> dict[str, Any]:
        try:
            stamp = json.loads((self.folder / STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def _digests(self) -> list[str]:
        return [hashlib.sha256(lock.read_bytes()).hexdigest() for lock in self.locks]

    def _can_be_extended(self) -> bool:
        """Whether only further locks are missing: it is complete for the first, the scripts' own."""
        ready = VirtualEnvironment(self.folder, self.locks[:1]).is_ready()
        return ready and self._stamp().get("python") == PYTHON

    def _remove_what_is_there(self) -> None:
        if not self.folder.exists():
            return
        if not (self.folder / MARK).exists() and any(self.folder.iterdir()):
            raise StackError(
                f"{self.folder} was not made by this script, so it is not touched.",
                fix=f"Move it away, then run this again: mv {self.folder} {self.folder}.mine",
                cause="environment-not-ours",
                exit_code=2,
            )
        self.discard()
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != MARK:
                path.unlink()

    def _make_empty(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / MARK).write_text("scripts/stack/bootstrap.py makes and removes this folder.\n", encoding="utf-8")
        with elapsed(f"Making a Python environment in {self.folder}"), self._own_temporary_files() as env:
            made = run([sys.executable, "-m", "venv", str(self.folder)], env=env)
        if made.code != 0:
            raise _no_environment(made)

    def _install(self, lock: int | None) -> None:
        self.discard()
        total = sum(len(re.findall(r"^[\w.-]+==", lock.read_text(), re.MULTILINE)) for lock in self.locks)
        files = [part for lock in self.locks for part in ("-r", str(lock))]
        title = f"Installing its Python packages ({', '.join(_short(lock) for lock in self.locks)})"
        with elapsed(title) as progress, self._own_temporary_files() as env:
            done = stream(
                [str(self.python), *PIP, *files],
                _PipLines(total, progress),
                env={"PIP_USER": "0", **env},
                keep_open=[] if lock is None else [lock],
            )
        if done.code != 0:
            raise _no_packages(done)

    @contextmanager
    def _own_temporary_files(self) -> Iterator[dict[str, str]]:
        """The environment that keeps temporary files in here, so that an interrupted pip leaves nothing elsewhere."""
        folder = self.folder / "tmp"
        folder.mkdir(exist_ok=True)
        try:
            yield {"TMPDIR": str(folder)}
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _hand_to_user(self) -> None:
        uid, gid = run_as()
        if uid is None or gid is None:
            return
        os.chown(self.folder, uid, gid)
        for folder, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                os.lchown(os.path.join(folder, name), uid, gid)  # noqa: PTH118  (20,000 of them)

    def _write_stamp(self) -> None:
        stamp = {"folder": str(self.folder), "python": PYTHON, "locks": self._digests()}
        draft = self.folder / f"{STAMP}.draft"
        draft.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
        hand_over(draft)
        draft.replace(self.folder / STAMP)


class _PipLines:
    """Turns pip's lines into progress: one package after the other, then all unpacked together."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.total = total
        self.progress = progress
        self.seen = 0

    def __call__(self, line: str) -> None:
        if package := re.match(
            r"(?:Collecting ([\w.-]+)|Processing \S*?/([\w.]+)-[^/]+\.whl|Requirement already)", line
        ):
            self.seen += 1
            self.progress(package[1] or package[2] or "", min(self.seen / self.total, 1.0))
        elif line.startswith("Installing collected packages"):
            self.progress("unpacking")


@contextmanager
def _alone(file: Path) -> Iterator[int | None]:
    """Hold a lock on ``file`` (which stays as it is); pip inherits it, so it outlives us for as long as pip does."""
    if fcntl is None:
        yield None
        return
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with elapsed("Waiting for another run that makes the Python environment"):
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _ensure_ensurepip(*, assume_yes: bool) -> None:
    """Debian and Ubuntu ship Python without the part that makes virtual environments."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    package = f"python{PYTHON}-venv"
    command = f"sudo apt-get install {package}"
    if not apt.is_debian_like():
        raise StackError(
            f"This Python ({sys.executable}) can't make virtual environments: its module `ensurepip` is missing.",
            fix="Install that part of Python from your system's packages, then run this again.",
            cause="ensurepip-missing",
            exit_code=2,
        )
    question = f"Python's venv module is incomplete on this machine. Install {package} from {apt.name_of_system()}?"
    if not agree(question, assume_yes=assume_yes):
        raise StackError(
            f"{package} is needed and was not installed.", fix=command, cause="ensurepip-missing", exit_code=2
        )
    with elapsed(f"Installing {package}") as progress:
        apt.install([package], progress)
    importlib.invalidate_caches()


def _not_yours(denied: PermissionError, folder: Path) -> StackError:
    return StackError(
        f"{denied.filename or folder} can't be written by you.",
        fix=f"If an earlier run by root made it: sudo rm -r {folder}   Then run this again.",
        cause="environment-not-writable",
        exit_code=2,
    )


def _no_environment(made: Finished) -> StackError:
    return StackError(
        f"Python could not make a virtual environment:\n{_last_lines(made.out + made.err)}",
        fix=_SPACE_FIX if _NO_SPACE in made.out + made.err else "Correct what it says, then run this again.",
        cause="environment-failed",
        exit_code=2,
    )


_NO_SPACE = "No space left on device"
_SPACE_FIX = "Make room on the disk (1 GB is enough), then run this again."
_REASONS: Sequence[tuple[str, str, str, str]] = (
    (
        "DO NOT MATCH THE HASHES",
        "package-hash-wrong",
        "A downloaded Python package is not the one that was locked; nothing of it was installed.",
        "Ask who runs the package index or the proxy in between. Only if the lock file is yours: lock again.",
    ),
    (_NO_SPACE, "disk-full", "The disk is full.", _SPACE_FIX),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "certificate-unknown",
        "The package index shows a certificate that this machine does not trust (often a TLS-inspecting proxy).",
        "Name your proxy's CA file, then run this again: export PIP_CERT=/path/to/ca-certificates.crt",
    ),
    (
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Max retries exceeded|"
        r"Network is unreachable",
        "no-network",
        "The package index can't be reached, and the scripts' Python packages are not here yet.",
        "Check the network; behind a proxy: export HTTPS_PROXY=http://...   With a mirror: export PIP_INDEX_URL=https://...",
    ),
)


def _no_packages(done: Finished) -> StackError:
    for pattern, cause, message, fix in _REASONS:
        if re.search(pattern, done.out):
            return StackError(message, fix=fix, cause=cause, exit_code=2)
    errors = "\n".join(line for line in done.out.splitlines() if line.startswith("ERROR")) or _last_lines(done.out)
    return StackError(
        f"pip could not install the scripts' Python packages:\n{errors}",
        fix="Correct what it says (your pip configuration is used: pip config list), then run this again.",
        cause="packages-failed",
        exit_code=2,
    )


def _last_lines(text: str, count: int = 6) -> str:
    return "\n".join(text.strip().splitlines()[-count:])


def _short(lock: Path) -> str:
    return f"{lock.parent.name}/{lock.name}"
