"""Has pip and apt install out of a bundle, and out of nothing else, for a while. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from stack.tools import apt
from stack.tools.bundle_file import DEBIAN, WHEELS, BundleFile
from stack.tools.errors import StackError
from stack.tools.process import run

ROOT = Path(__file__).resolve().parents[3]  # where `.venv` comes to lie, too: /tmp is often small, or in memory


@contextmanager
def python_packages(bundle: BundleFile) -> Iterator[None]:
    """While the block runs, pip finds the bundle's packages and asks no index.

    Raises:
        StackError: ``bundle-for-another-machine`` or ``bundle-damaged``; exit code 2.
    """
    bundle.refuse_another_python()
    with (
        _taken_out(bundle, WHEELS) as folder,  # as an address: pip takes a blank in a path for the beginning of another
        _environment({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": folder.as_uri()}),
    ):
        yield


@contextmanager
def system_packages(bundle: BundleFile) -> Iterator[None]:
    """While the block runs, apt knows the bundle's packages and no others; not where it has none of this release.

    Raises:
        StackError: ``bundle-damaged``; exit code 2.
    """
    if not apt.is_debian_like() or bundle.manifest["release"] != apt.release():
        yield
        return
    with (
        _taken_out(bundle, DEBIAN) as folder,
        TemporaryDirectory(prefix="foundry-stack-apt-", ignore_cleanup_errors=True) as state,
        _environment({"APT_CONFIG": str(_only_source(folder, Path(state)))}),
    ):
        run(["apt-get", "update"], env=apt.ENGLISH)
        yield


def _only_source(packages: Path, state: Path) -> Path:
    """Settings for apt that leave the system's own sources out."""
    for name in ("lists/partial", "cache/archives/partial"):
        (state / name).mkdir(parents=True)
    # Debian's signatures were checked when they were fetched, and what they became then is in the bundle's checksums.
    (state / "only.list").write_text(f"deb [trusted=yes] file:{quote(str(packages))} ./\n")
    settings = {
        "Dir::Etc::SourceList": f"{state}/only.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": f"{state}/lists",
        "Dir::Cache": f"{state}/cache",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",  # its own download user may not read what a user with a strict umask unpacked
    }
    file = state / "apt.conf"
    file.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    return file


@contextmanager
def _taken_out(bundle: BundleFile, folder: str) -> Iterator[Path]:
    with ExitStack() as leaving:
        try:
            name = leaving.enter_context(TemporaryDirectory(prefix=".foundry-stack-", suffix=".partial", dir=ROOT))
            bundle.take_out_folder(folder, Path(name))
        except OSError as refused:
            raise StackError(
                f"The bundle's {folder} can't be unpacked in {ROOT}: {refused.strerror or refused}.",
                fix="`df -h .` shows the room there; you must be allowed to write there, too. Then run this again.",
                cause="bundle-not-unpacked",
                exit_code=2,
            ) from refused
        yield Path(name)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
