"""Debian's package archive as this machine reaches it, and single packages out of another release of it."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stack.tools import apt
from stack.tools.errors import StackError
from stack.tools.process import run
from stack.tools.progress import Progress

KEYRINGS = ("debian-archive-keyring.pgp", "debian-archive-keyring.gpg")  # the newer name first
TARGETS = ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"]


@dataclass(frozen=True)
class Archive:
    """Addresses of the archive and of its security updates (None where the machine has no source for those)."""

    main: str
    security: str | None

    def sources(self, suite: str) -> list[str]:
        """Lines of a sources.list for a release, updates and security updates included."""
        lines = [f"deb {self.main} {suite} main", f"deb {self.main} {suite}-updates main"]
        return [*lines, f"deb {self.security} {suite}-security main"] if self.security else lines


def of_this_machine() -> Archive | None:
    """The archive that apt is set up for here, a local mirror included; None on other systems or without lists."""
    if not apt.is_debian():
        return None
    found: dict[str, str] = {}
    for line in run(TARGETS, env=apt.ENGLISH).out.splitlines():
        origin, label, address = line.split("|", 2)
        address = _resolve_list_of_mirrors(address)
        if origin == "Debian" and address.startswith(("http://", "https://")):
            found.setdefault(label, address.rstrip("/"))
    return Archive(found["Debian"], found.get("Debian-Security")) if "Debian" in found else None


def download(packages: Sequence[str], suite: str, folder: Path, progress: Progress) -> list[Path]:
    """Fetch packages of another Debian release, checked by apt against Debian's keys; nothing is installed.

    Args:
        suite: the release, such as ``trixie``.
        folder: from `temporary_folder`; apt's own configuration, lists and cache for this go there.

    Returns:
        The package files, in ``folder``.

    Raises:
        StackError: ``package-download-failed``.
    """
    archive = of_this_machine()
    keyring = next((path for name in KEYRINGS if (path := Path("/usr/share/keyrings") / name).exists()), None)
    if archive is None or keyring is None:
        raise _failed(packages, "this machine has no package source (and key) of Debian to take them from")
    (folder / "only.list").write_text(f"deb [signed-by={keyring}] {archive.main} {suite} main\n")
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    options = [
        f"--option=Dir::Etc::SourceList={folder}/only.list",
        "--option=Dir::Etc::SourceParts=/dev/null",
        f"--option=Dir::State::Lists={folder}/lists",
        f"--option=Dir::Cache={folder}/cache",
        "--option=Acquire::Languages=none",
        "--option=APT::Update::Error-Mode=any",
    ]
    steps = {
        f"reading the package lists of Debian {suite}": ["update"],
        f"fetching {' and '.join(packages)} from Debian {suite}": ["download", *packages],
    }
    for text, command in steps.items():
        progress(text)
        done = run(["apt-get", *options, *command], env=apt.ENGLISH, cwd=folder)
        if done.code != 0:
            raise _failed(packages, "\n".join(done.err.strip().splitlines()[-4:]))
    return sorted(folder.glob("*.deb"))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that apt's download user can use, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="foundry-stack-apt-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if os.geteuid() == 0 and any(user.pw_name == "_apt" for user in pwd.getpwall()):
            os.chown(folder, pwd.getpwnam("_apt").pw_uid, -1)
        yield folder


def _resolve_list_of_mirrors(address: str) -> str:
    """Cloud images name a file with mirrors instead of a mirror; an image made from that can't read the file."""
    scheme, _, path = address.partition(":")
    if scheme != "mirror+file":
        return address
    try:
        lines = Path(path.rstrip("/")).read_text().split()
    except OSError:
        return address
    return next((line for line in lines if line.startswith("http")), address)


def _failed(packages: Sequence[str], why: str) -> StackError:
    return StackError(
        f"{' and '.join(packages)} could not be fetched from Debian's archive: {why}",
        fix="Check the network and the sources in /etc/apt, then run this again.",
        cause="package-download-failed",
        exit_code=2,
    )
