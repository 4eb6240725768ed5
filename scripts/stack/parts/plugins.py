"""The two plugins of the `docker` command that the stack needs, Compose and Buildx: which are there, and getting them.

They come from the distribution's own packages where those are new enough. Where they are not (Debian 12), only the
two programs are taken out of Debian 13's packages: apt fetches and checks them with lists and sources of its own, so
that neither /etc/apt nor the database of installed packages changes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from stack.parts import debian_archive
from stack.tools import apt
from stack.tools.errors import StackError
from stack.tools.process import run
from stack.tools.progress import Progress
from stack.tools.root import is_root, may_become_root

Version = tuple[int, int, int]

MINIMUM_COMPOSE: Version = (2, 20, 0)  # the first with `--progress` before the command and `up --wait` on one-shots
NEWER_DEBIAN = "trixie"
PACKAGES: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {  # Docker's, Ubuntu's, Debian's; and how new
    "docker-compose": (("docker-compose-plugin", "docker-compose-v2", "docker-compose"), MINIMUM_COMPOSE),
    "docker-buildx": (("docker-buildx-plugin", "docker-buildx"), (0,)),
}
CLIENT_PACKAGES = ("docker-ce-cli", "docker-cli", "docker.io")
FOR_ALL = Path("/usr/local/lib/docker/cli-plugins")
FOR_ME = Path.home() / ".docker" / "cli-plugins"


def compose_version() -> Version | None:
    """The version of `docker compose`; None where there is none."""
    return _plugin_version(["docker", "compose", "version", "--short"])


def buildx_version() -> Version | None:
    """The version of `docker buildx`; None where there is none."""
    return _plugin_version(["docker", "buildx", "version"])


def missing_plugins() -> list[str]:
    """What is missing or too old, for people; empty when all is well."""
    names = {
        "docker-compose": f"Docker Compose {'.'.join(map(str, MINIMUM_COMPOSE[:2]))} or newer",
        "docker-buildx": "Docker Buildx",
    }
    return [names[plugin] for plugin in _missing()]


def install_plugins(progress: Progress) -> list[str]:
    """Bring the missing plugins; call only after the user has agreed.

    Returns:
        What was brought, for people.

    Raises:
        StackError: ``plugins-unavailable``, or what `apt` raises.
    """
    brought: list[str] = []
    if may_become_root():
        apt.refresh(progress)
        if shutil.which("docker") is None:
            brought += [_first_with(CLIENT_PACKAGES, (0,)) or CLIENT_PACKAGES[-1]]
            apt.install(brought, progress)
        packages = from_distribution(_missing())
        apt.install(packages, progress)
        brought += packages
    if missing := _missing():
        brought += _from_newer_debian(missing, progress)
    if still := missing_plugins():
        raise _unavailable(f"{' and '.join(still)} could not be brought.")
    return brought


def from_distribution(plugins: Iterable[str]) -> list[str]:
    """The distribution's packages for these plugins (`PACKAGES`), as far as it has new enough ones."""
    found = [_first_with(*PACKAGES[plugin]) for plugin in plugins]
    return [package for package in found if package]


def _missing() -> list[str]:
    """Names of plugins (and of Debian's packages for them)."""
    compose = compose_version()
    missing = ["docker-compose"] if compose is None or compose < MINIMUM_COMPOSE else []
    return missing if buildx_version() else [*missing, "docker-buildx"]


def _first_with(packages: Sequence[str], minimum: tuple[int, ...]) -> str:
    return next((name for name in packages if (apt.candidate(name) or ()) >= minimum), "")


def _from_newer_debian(missing: Sequence[str], progress: Progress) -> list[str]:
    folder = FOR_ALL if is_root() else FOR_ME
    with debian_archive.temporary_folder() as work:
        packages = debian_archive.download(missing, NEWER_DEBIAN, work, progress)
        for package in packages:
            _take_program(package, work / package.stem, folder)
    versions = ", ".join(package.stem.rpartition("_")[0].replace("_", " ") for package in packages)
    return [f"{versions} (Debian {NEWER_DEBIAN}'s, only the programs, in {folder})"]


def _take_program(package: Path, unpacked: Path, folder: Path) -> None:
    done = run(["dpkg-deb", "--extract", str(package), str(unpacked)])
    program = next(unpacked.glob("usr/*/docker/cli-plugins/docker-*"), None)
    if done.code != 0 or program is None:
        raise _unavailable(f"{package.name} does not hold the plugin it should. {done.err.strip()}")
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{program.name}.draft"
    shutil.copyfile(program, draft)
    draft.chmod(0o755)
    draft.replace(folder / program.name)


def _unavailable(message: str) -> StackError:
    return StackError(
        message,
        fix="Install them as Docker's documentation describes for your system, then run this again.",
        cause="plugins-unavailable",
        exit_code=2,
    )


def _plugin_version(command: Sequence[str]) -> Version | None:
    if shutil.which("docker") is None:
        return None
    done = run(command, timeout=30)
    found = re.search(r"v?(\d+)\.(\d+)\.(\d+)", done.out)
    return (int(found[1]), int(found[2]), int(found[3])) if done.code == 0 and found else None
