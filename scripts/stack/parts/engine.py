"""The Docker Engine: used as it is where one answers, else installed from the distribution and started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack.parts import engine_start, plugins
from stack.tools import apt, docker_engine
from stack.tools.consent import agree
from stack.tools.errors import StackError
from stack.tools.progress import Progress
from stack.tools.root import find_program

PACKAGES = ("docker.io", "iptables", "ca-certificates")
COMMAND = "docker-cli"  # newer releases keep the command in a package of its own
CONFINEMENT = "apparmor"  # its loader, needed where the kernel has it on
INSTALL_GUIDE = "https://docs.docker.com/engine/install/"


@dataclass(frozen=True)
class EngineState:
    """What `ensure_engine` found or did.

    Args:
        version: of the engine that answers now.
        daemon: the daemon it had to start; None when one was running.
        installed: what it had to install, for people.
    """

    version: str
    daemon: engine_start.Daemon | None
    installed: tuple[str, ...]

    @property
    def started_here(self) -> bool:
        """Whether the daemon runs because of us."""
        return self.daemon is not None


def ensure_engine(*, assume_yes: bool, progress: Progress, say: Callable[[str], None]) -> EngineState:
    """Make sure that a Docker Engine answers and that `docker compose` and `docker buildx` are there.

    Where all of it is there, nothing is touched.

    Raises:
        StackError: exit code 2; `engine-not-permitted`, `engine-missing` on systems it can't install on,
            `engine-start-failed`, `engine-elsewhere` (DOCKER_HOST or a context leads to an engine that is silent),
            or what installing raises.
    """
    running = _answers()
    if not running and (elsewhere := docker_engine.chosen_by_user()):
        raise StackError(
            f"The Docker Engine that you chose ({elsewhere}) does not answer.",
            fix="Start it; or go back to this machine's own: docker context use default (and unset DOCKER_HOST).",
            cause="engine-elsewhere",
            exit_code=2,
        )
    packages = [] if running or find_program("dockerd") else _engine_packages()
    missing = plugins.missing_plugins()
    if packages or missing:
        _ask(packages, missing, assume_yes=assume_yes)
    installed: list[str] = []
    if packages:
        apt.refresh(progress)
        packages = _engine_packages()
        apt.install(packages, progress)
        installed += packages
    daemon = None if running or _answers() else engine_start.start(progress)
    if missing and plugins.missing_plugins():
        installed += _install_plugins(progress)
    if installed:
        say(f"Installed: {', '.join(installed)}.")
    if daemon:
        say("Started the Docker daemon; it stays on when the stack goes down.")
    version = str(docker_engine.client().version()["Version"])
    return EngineState(version, daemon, tuple(installed))


def stop_engine(state: EngineState) -> None:
    """Stop the daemon if `ensure_engine` started it, and wait until it is gone; else do nothing."""
    if state.daemon is not None:
        engine_start.stop(state.daemon)


def _answers() -> bool:
    """Whether an engine answers.

    Raises:
        StackError: ``engine-not-permitted``; one is there, but not for this user.
    """
    try:
        docker_engine.client(timeout=10)
    except StackError as silent:
        if silent.cause == "engine-not-permitted":
            raise
        return False
    return True


def _engine_packages() -> list[str]:
    if not apt.is_debian_like():
        raise StackError(
            f"Docker is not there, and on {apt.name_of_system()} it is yours to install.",
            fix=f"Install Docker (Docker Desktop on macOS and Windows): {INSTALL_GUIDE}   Then run this again.",
            cause="engine-missing",
            exit_code=2,
        )
    packages = [*PACKAGES]
    if apt.candidate(COMMAND):
        packages.append(COMMAND)
    if _confines_with_apparmor() and find_program("apparmor_parser") is None:
        packages.append(CONFINEMENT)
    return packages


def _confines_with_apparmor() -> bool:
    """With AppArmor on in the kernel and its loader missing, the engine can't start a container."""
    switch = Path("/sys/module/apparmor/parameters/enabled")
    return switch.exists() and switch.read_text().strip() == "Y"


def _ask(packages: list[str], missing: list[str], *, assume_yes: bool) -> None:
    parts = []
    if packages:
        added = apt.would_add(packages)
        count = f" ({len(added)} packages with what they need)" if added else " (with what they need)"
        parts.append(f"the Docker Engine from the packages of {apt.name_of_system()}: {', '.join(packages)}{count}")
    if missing:
        where = f"from packages too, or where those are too old, two programs from Debian's next into {plugins.FOR_ALL}"
        parts.append(f"{' and '.join(missing)} ({where})")
    if not agree(f"Install {'; and '.join(parts)}?", assume_yes=assume_yes):
        raise StackError(
            "Docker is needed, and you chose not to install it now.",
            fix=f"Install it in your own way ({INSTALL_GUIDE}), then run this again.",
            cause="engine-missing",
            exit_code=2,
        )


def _install_plugins(progress: Progress) -> list[str]:
    if not apt.is_debian_like():
        raise StackError(
            f"{' and '.join(plugins.missing_plugins())} is missing.",
            fix=f"Install Docker's Compose and Buildx plugins: {INSTALL_GUIDE}   Then run this again.",
            cause="compose-too-old",
            exit_code=2,
        )
    return plugins.install_plugins(progress)
