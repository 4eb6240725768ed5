"""A clone of the repository that belongs to another user; the Python packages of the tests are lent to it."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import stat
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from faults.own_stack import User
from stack.settings import ROOT
from stack.tools.docker_engine import SOCKET
from stack.tools.process import run
from stack.tools.virtual_environment import MARK, PYTHON, STAMP, VirtualEnvironment

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".state", ".env", "__pycache__", ".*_cache", ".hypothesis", ".files", "node_modules"
)


@dataclass(frozen=True)
class Clone:
    """The clone, its owner, and the Python that its owner would type."""

    folder: Path
    owner: User
    python: str

    @property
    def venv_python(self) -> str:
        """The Python of its own environment."""
        return str(self.folder / ".venv" / "bin" / "python")


def nobody(*, may_use_docker: bool) -> User:
    """The user `nobody`, in the group of Docker's socket or not."""
    entry = pwd.getpwnam("nobody")
    return User(entry.pw_uid, entry.pw_gid, (SOCKET.stat().st_gid,) if may_use_docker else ())


def make_clone(folder: Path, owner: User) -> Clone:
    """Copy the working tree to ``folder`` and hand all of it to ``owner``; skips the test where that can't be."""
    python = _python_for_all()
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED, symlinks=True)
    _lend_packages(folder / ".venv", folder / "scripts" / "requirements.lock", python)
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, owner.uid, owner.gid)
    return Clone(folder, owner, python)


def _lend_packages(environment: Path, lock: Path, python: str) -> None:
    """Installing them takes more than a minute, so what is installed here already is put on its path."""
    made = run([python, "-m", "venv", "--without-pip", str(environment)])
    assert made.code == 0, made.err
    packages = Path(sysconfig.get_path("purelib"))
    (environment / "lib" / f"python{PYTHON}" / "site-packages" / "lent.pth").write_text(f"{packages}\n")
    (environment / MARK).touch()
    digests = VirtualEnvironment(environment, (lock,))._digests()
    stamp = {"folder": str(environment), "python": PYTHON, "locks": digests}
    (environment / STAMP).write_text(json.dumps(stamp))


def _python_for_all() -> str:
    """A Python of this version, other than a virtual one, that every user may run, and packages that all may read."""
    name = f"python{PYTHON}"
    candidates = [getattr(sys, "_base_executable", sys.executable), f"/usr/bin/{name}", f"/usr/local/bin/{name}"]
    found = [path for path in candidates if _open_to_all(Path(path).resolve())]
    if not found or not _open_to_all(Path(sysconfig.get_path("purelib")).resolve()):
        pytest.skip(f"no {name} here that another user may run with the packages of this one")
    return found[0]


def _open_to_all(path: Path) -> bool:
    return path.exists() and all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


@contextmanager
def open_folder() -> Iterator[Path]:
    """A new folder that other users may pass through, unlike pytest's; gone afterwards."""
    with TemporaryDirectory(prefix="foundry-stack-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
