"""The one file that carries the stack to a machine without a network: read and checked. Standard library only.

It is a plain tar archive whose first member lists the SHA-256 of all others, so that a machine with nothing but tar and
sha256sum can take it apart and check it as well.
"""

from __future__ import annotations

import hashlib
import json
import re
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from stack.tools.errors import StackError
from stack.tools.progress import Progress, silent
from stack.tools.virtual_environment import PYTHON

SCHEMA = 1
SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
CLONE = "foundry-stack"  # the folder that holds scripts/up.py and all that belongs to it
WHEELS = "wheels"
DEBIAN = "debian"
MODELS = "models"
IMAGES = "images.tar.gz"

CHUNK = 1 << 20
_SUM = re.compile(r"^([0-9a-f]{64})  (\S.*)$", re.MULTILINE)


def platform_here() -> str:
    """What compiled Python packages are made for, such as ``linux-x86_64``."""
    return sysconfig.get_platform()


class BundleFile:
    """A bundle whose table of contents has been read; `check` reads the rest.

    Attributes:
        manifest: what `scripts/bundle.py` wrote about it.
        sums: SHA-256 of every member by its name, but of the list itself.

    Raises:
        StackError: ``bundle-missing``, ``bundle-damaged``, or ``bundle-unknown``; exit code 2.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._tar = tarfile.open(path, "r:")  # noqa: SIM115  (open as long as the object lives)
            self._members = {each.name: each for each in self._tar.getmembers()}
        except FileNotFoundError as missing:
            fix = "Name the file that `python3 scripts/bundle.py` wrote."
            raise StackError(f"There is no file {path}.", fix=fix, cause="bundle-missing", exit_code=2) from missing
        except OSError as unreadable:
            fix = "Copy it to this machine's own disk, as a user who may read it; then run this again."
            message = f"{path} can't be read: {unreadable.strerror or unreadable}."
            raise StackError(message, fix=fix, cause="bundle-missing", exit_code=2) from unreadable
        except tarfile.TarError as broken:
            raise self._unreadable() from broken
        self.sums = self._read_sums()
        self.manifest = self._read_manifest()

    def check(self, progress: Progress = silent) -> None:
        """Read all of it.

        Raises:
            StackError: ``bundle-damaged`` with what is missing, more than it should be, or another.
        """
        present = self._members.keys() - {SUMS}
        if cut := sorted(self.sums.keys() - present):
            raise self._damaged(f"it is cut off: {cut[0]} is missing")
        if foreign := sorted(present - self.sums.keys()):
            raise self._damaged(f"{foreign[0]} does not belong to it")
        total = sum(each.size for each in self._members.values())
        done = 0
        for name in self.sums:
            for chunk in self._checked(name):
                done += len(chunk)
                progress("reading the bundle", done / total)

    def names(self, folder: str) -> list[str]:
        """The members below a folder."""
        return [name for name in self.sums if name.startswith(f"{folder}/")]

    def size(self, name: str) -> int:
        """Of a member, in bytes."""
        return self._member(name).size

    def modified(self, name: str) -> float:
        """When the member was written last, in seconds since 1970."""
        return float(self._member(name).mtime)

    def take_out(self, name: str, target: Path) -> None:
        """Write a member to a file, whose folder is made where it is missing.

        Raises:
            StackError: ``bundle-damaged``.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for chunk in self._checked(name):
                file.write(chunk)

    def take_out_folder(self, folder: str, target: Path) -> None:
        """Write all members below a folder into another one.

        Raises:
            StackError: ``bundle-damaged``.
        """
        for name in self.names(folder):
            self.take_out(name, target / PurePosixPath(name).relative_to(folder))

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's content, piece by piece; the last is followed by a check of the whole."""
        return self._checked(name)

    def refuse_another_platform(self) -> None:
        """Raise where its programs would not run.

        Raises:
            StackError: ``bundle-for-another-machine``; exit code 2.
        """
        if (made_for := self.manifest["platform"]) != platform_here():
            raise self._for_another(f"machines of the kind {made_for}, and this one is {platform_here()}")

    def refuse_another_python(self) -> None:
        """Raise where its Python packages can't be used.

        Raises:
            StackError: ``bundle-for-another-machine``; exit code 2.
        """
        self.refuse_another_platform()
        if (made_for := self.manifest["python"]) != PYTHON:
            raise self._for_another(f"Python {made_for}, and this is Python {PYTHON}")

    def _checked(self, name: str) -> Iterator[bytes]:
        digest = hashlib.sha256()
        try:
            content = self._content(name)
            while chunk := content.read(CHUNK):
                digest.update(chunk)
                yield chunk
        except (tarfile.TarError, OSError) as broken:
            raise self._damaged(f"{name} can't be read") from broken
        if digest.hexdigest() != self.sums[name]:
            raise self._damaged(f"{name} is not what it was")

    def _read_sums(self) -> dict[str, str]:
        if next(iter(self._members), None) != SUMS:
            raise self._unreadable()
        text = self._content(SUMS).read().decode(errors="replace")
        sums = {each[2]: each[1] for each in _SUM.finditer(text)}  # a line that is none leaves a member that is foreign
        if not all(map(_stays_inside, sums)):
            raise self._damaged("its list of checksums is not what it was")
        return sums

    def _read_manifest(self) -> dict[str, Any]:
        if MANIFEST not in self.sums:
            raise self._unreadable()
        manifest = json.loads(b"".join(self._checked(MANIFEST)))
        if manifest["schema"] != SCHEMA:
            raise StackError(
                f"{self.path} has another form ({manifest['schema']}) than these scripts read ({SCHEMA}).",
                fix=f"Use the scripts that are in it: {self._unpack()}",
                cause="bundle-unknown",
                exit_code=2,
            )
        return dict(manifest)

    def _member(self, name: str) -> tarfile.TarInfo:
        if name not in self._members:
            raise self._damaged(f"it is cut off: {name} is missing")
        return self._members[name]

    def _content(self, name: str) -> IO[bytes]:
        member = self._member(name)
        content = self._tar.extractfile(member) if member.isreg() else None
        if content is None:  # a folder or a link, which no bundle has
            raise self._damaged(f"{name} is no file")
        return content

    def _unreadable(self) -> StackError:
        return StackError(
            f"{self.path} is no bundle, or only the beginning of one.",
            fix="Name the file that `python3 scripts/bundle.py` wrote; copy it again if it is that one.",
            cause="bundle-damaged",
            exit_code=2,
        )

    def _damaged(self, why: str) -> StackError:
        return StackError(
            f"The bundle {self.path} is damaged: {why}. Nothing of it was used.",
            fix="Copy it again, and compare the SHA-256 that `bundle.py` showed: sha256sum FILE",
            cause="bundle-damaged",
            exit_code=2,
        )

    def _for_another(self, what: str) -> StackError:
        return StackError(
            f"The bundle {self.path} was made for {what}.",
            fix="Make one on a machine like this one, with the same Python: python3 scripts/bundle.py",
            cause="bundle-for-another-machine",
            exit_code=2,
        )

    def _unpack(self) -> str:
        return f"tar -xf {self.path} {CLONE} && python3 {CLONE}/scripts/up.py --bundle {self.path}"


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name
