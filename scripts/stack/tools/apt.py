"""Debian's and Ubuntu's package manager: what it offers, and installing it. Standard library only."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stack.tools.errors import StackError
from stack.tools.process import Finished, run, stream
from stack.tools.progress import Progress
from stack.tools.root import as_root, find_program

LISTS = Path("/var/lib/apt/lists")
STALE_AFTER = 24 * 3600.0  # seconds; mirrors drop old versions of packages, then an old list leads nowhere
BUSY_FOR = 300.0  # seconds another package manager (a machine just booted updates itself) is waited for
ENGLISH = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
# An interrupted or unattended run must never stop at a question; the user's own configuration files are kept.
UNATTENDED = [
    "--yes",
    f"--option=DPkg::Lock::Timeout={BUSY_FOR:.0f}",
    "--option=Dpkg::Options::=--force-confdef",
    "--option=Dpkg::Options::=--force-confold",
]
_BUSY = "Could not get lock"
_HALF_DONE = "dpkg was interrupted"


def is_debian_like() -> bool:
    """Whether this is Debian, Ubuntu or one of their children, with apt-get there to use."""
    names = {_os_release().get("ID", ""), *_os_release().get("ID_LIKE", "").split()}
    return bool(names & {"debian", "ubuntu"}) and find_program("apt-get") is not None


def is_debian() -> bool:
    """Whether this is Debian itself, whose package archive is the one that Debian's keys sign."""
    return _os_release().get("ID") == "debian"


def release() -> str:
    """The release that packages are made for, such as "debian bookworm"."""
    return f"{_os_release().get('ID', '')} {_os_release().get('VERSION_CODENAME', '')}".strip()


def name_of_system() -> str:
    """The system's name for people, such as "Debian GNU/Linux 12 (bookworm)" or "Darwin"."""
    return _os_release().get("PRETTY_NAME") or platform.system()


def refresh(progress: Progress, *, always: bool = False) -> None:
    """Bring apt's lists of packages up to date where they are missing or older than a day.

    One source of the user's that fails (and is not needed here) is no error: what is missing shows at `install`.
    """
    if not always and _age_of_lists() < STALE_AFTER:
        return
    deadline = time.monotonic() + BUSY_FOR
    while True:
        done = stream(
            as_root(["apt-get", "update"], ENGLISH), lambda _: progress("bringing the package lists up to date")
        )
        if _BUSY not in done.out or time.monotonic() > deadline:
            return
        progress("waiting for another package manager to end")
        time.sleep(1)


def candidate(package: str) -> tuple[int, ...] | None:
    """The upstream version that `apt-get install` would bring (or has brought), as numbers; None if there is none."""
    policy = run(["apt-cache", "policy", package], env=ENGLISH).out
    found = re.search(r"Candidate: (?:\d+:)?(\d+(?:\.\d+)*)", policy)
    return tuple(int(number) for number in found[1].split(".")) if found else None


def would_add(packages: Sequence[str]) -> list[str]:
    """Every package that installing ``packages`` adds; changes nothing. Empty where the lists don't know them yet."""
    return re.findall(r"^Inst (\S+)", run(_install(packages, "--simulate"), env=ENGLISH).out, re.MULTILINE)


def install(packages: Sequence[str], progress: Progress) -> None:
    """Install packages and what they need, nothing merely recommended; a half-done earlier run is finished first.

    Raises:
        StackError: ``package-install-failed`` with apt's own words, ``no-network``, or ``root-needed``.
    """
    if not packages:
        return
    refresh(progress)
    done = _run_install(packages, progress)
    if done.code != 0 and _HALF_DONE in done.out:
        progress("finishing an installation that was interrupted")
        stream(as_root(["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"], ENGLISH), lambda _: None)
        done = _run_install(packages, progress)
    elif done.code != 0 and re.search(r"404 +Not Found|Unable to locate|has no installation candidate", done.out):
        refresh(progress, always=True)
        done = _run_install(packages, progress)
    _refuse_failure(done, packages)


def _run_install(packages: Sequence[str], progress: Progress) -> Finished:
    return stream(as_root(_install(packages), ENGLISH), _count_steps(progress))


def _install(packages: Sequence[str], *options: str) -> list[str]:
    return ["apt-get", "install", "--no-install-recommends", *UNATTENDED, *options, *packages]


def _count_steps(progress: Progress) -> Callable[[str], None]:
    """Turn apt's lines into progress: a package is downloaded, unpacked and set up."""
    total = done = 0

    def on_line(line: str) -> None:
        nonlocal total, done
        if counts := re.search(r"(\d+) upgraded, (\d+) newly installed", line):
            total = 3 * (int(counts[1]) + int(counts[2]))
        if step := re.match(r"(?:Get:\d+ \S+ \S+ \S+ (\S+)|(?:Unpacking|Setting up) (\S+))", line):
            done += 1
            progress(step[1] or line.partition(" (")[0], min(done / total, 1.0) if total else None)

    return on_line


def _refuse_failure(done: Finished, packages: Sequence[str]) -> None:
    if done.code == 0:
        return
    output = done.out + done.err
    errors = [line for line in output.splitlines() if line.startswith(("E: ", "Err:"))] or output.splitlines()[-5:]
    offline = re.search(
        r"Temporary failure resolving|Could not connect|Network is unreachable|Connection timed out", output
    )
    raise StackError(
        f"apt-get could not install {', '.join(packages)}:\n" + "\n".join(errors[-6:]),
        fix="Check the network (and the proxy, if you use one), then run this again."
        if offline
        else f"See what this says: sudo apt-get install {' '.join(packages)}",
        cause="no-network" if offline else "package-install-failed",
        exit_code=2,
    )


def _age_of_lists() -> float:
    """Seconds since the lists were last brought up to date; infinite when there are none."""
    times = [file.stat().st_mtime for file in LISTS.glob("*Packages*")]
    stamp = Path("/var/lib/apt/periodic/update-success-stamp")
    if times and stamp.exists():
        times.append(stamp.stat().st_mtime)
    return time.time() - max(times, default=float("-inf"))


def _os_release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}
