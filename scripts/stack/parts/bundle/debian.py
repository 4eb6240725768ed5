"""The packages that a bare Debian or Ubuntu of this release lacks, with all that they need, as a source for apt."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from stack.parts import debian_archive, engine, plugins
from stack.parts.foundry import system_library
from stack.parts.model.files import sha256
from stack.tools import apt
from stack.tools.errors import StackError
from stack.tools.process import run, stream
from stack.tools.progress import Progress
from stack.tools.virtual_environment import PYTHON

INDEX = "Packages"


def download(folder: Path, progress: Progress) -> str | None:
    """Fetch them, checked by apt, whatever of it is installed here.

    Returns:
        The release they are for; None on a system that has other packages, of which none are fetched.

    Raises:
        StackError: ``package-download-failed``.
    """
    if not apt.is_debian_like():
        return None
    apt.refresh(progress)
    names = [*engine.PACKAGES, engine.COMMAND, engine.CONFINEMENT, system_library.PACKAGE, f"python{PYTHON}-venv"]
    ready_made = plugins.from_distribution(plugins.PACKAGES)
    _with_all_they_need([*(name for name in names if apt.candidate(name)), *ready_made], folder, progress)
    newer = [plugin for plugin, (known_as, _) in plugins.PACKAGES.items() if not set(known_as) & set(ready_made)]
    if newer:
        with debian_archive.temporary_folder() as work:
            for file in debian_archive.download(newer, plugins.NEWER_DEBIAN, work, progress):
                shutil.copyfile(file, folder / file.name)
    _write_index(folder)
    return apt.release()


def _with_all_they_need(packages: Sequence[str], folder: Path, progress: Progress) -> None:
    """As for a machine on which nothing is installed."""
    with debian_archive.temporary_folder() as work:
        nothing_installed = work / "status"
        nothing_installed.touch()
        options = [
            f"--option=Dir::State::status={nothing_installed}",
            f"--option=Dir::State::extended_states={work}/extended_states",
            f"--option=Dir::Cache={work}/cache",
            "--option=Debug::NoLocking=true",
            "--download-only",
            "--no-install-recommends",
            "--yes",
        ]
        archives = work / "cache" / "archives"
        (archives / "partial").mkdir(parents=True)
        progress("fetching Debian packages")

        def on_line(line: str) -> None:
            if line.startswith("Get:"):
                progress(f"fetching {line.split()[4]}" if len(line.split()) > 4 else line)

        done = stream(["apt-get", *options, "install", *packages], on_line, env=apt.ENGLISH)
        if done.code != 0:
            raise StackError(
                f"{', '.join(packages)} could not be fetched:\n" + "\n".join(done.out.strip().splitlines()[-4:]),
                fix="Check the network and the sources in /etc/apt (`sudo apt-get update`), then run this again.",
                cause="package-download-failed",
                exit_code=2,
            )
        for file in archives.glob("*.deb"):
            shutil.move(file, folder / _plain(file.name))


def _plain(name: str) -> str:
    """apt escapes the colon of an epoch, and would look for the escaped name unescaped."""
    return name.replace("%3a", "-")


def _write_index(folder: Path) -> None:
    """What apt reads to know the packages: their own descriptions, with each one's file."""
    stanzas = []
    for file in sorted(folder.glob("*.deb")):
        described = run(["dpkg-deb", "--field", str(file)])
        if described.code != 0:
            raise StackError(
                f"{file.name} was fetched and is no package: {described.err.strip()}",
                fix="Run this again; if it stays, see what is between this machine and Debian's archive.",
                cause="package-download-failed",
                exit_code=2,
            )
        where = f"Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {sha256(file)}\n"
        stanzas.append(f"{described.out.strip()}\n{where}")
    (folder / INDEX).write_text("\n".join(stanzas), encoding="utf-8")
