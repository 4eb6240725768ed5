"""The only place that starts other programs. Standard library only, to work before the virtual environment exists."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from stack.tools import interrupts
from stack.tools.errors import StackError


@dataclass(frozen=True)
class Ending:
    """How a child is ended: the signal, and the seconds it has before it is killed."""

    number: int
    seconds: float


ASKED_TO_END = Ending(signal.SIGTERM, 20.0)

Line = Callable[[str], None]


@dataclass(frozen=True)
class Finished:
    """How a command ended: exit code and everything it printed (standard output and error, separately)."""

    code: int
    out: str
    err: str


def run(  # noqa: PLR0913  (options, each with a default)
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
    own_group: bool = False,
) -> Finished:
    """Run a command to its end and return how it ended; a non-zero exit is not an error here.

    Args:
        env: added to this process's environment.
        timeout: seconds.
        own_group: make it a process group, which a terminal's Ctrl-C does not reach; ours does, by ending it.

    Raises:
        StackError: ``program-missing`` (not installed), or ``program-hangs`` (took longer than ``timeout``).
    """
    try:
        done = subprocess.run(
            list(argv),
            env={**os.environ, **(env or {})},
            cwd=cwd,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            process_group=_new_group(own_group),
        )
    except FileNotFoundError as missing:
        raise _missing(argv[0]) from missing
    except subprocess.TimeoutExpired as late:
        raise StackError(
            f"`{' '.join(argv[:3])}` gave no answer in {timeout:.0f} s.",
            fix="Try again; if it repeats, see what keeps the machine busy.",
            cause="program-hangs",
        ) from late
    return Finished(done.returncode, done.stdout, done.stderr)


def stream(  # noqa: PLR0913  (options, each with a default)
    argv: Sequence[str],
    on_line: Line,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    keep_open: Sequence[int] = (),
    own_group: bool = False,
    ending: Ending = ASKED_TO_END,
) -> Finished:
    """Run a command and hand every line it prints (both streams, in order) to ``on_line`` as it comes.

    The child is ended when this call is interrupted, so Ctrl-C leaves nothing running.

    Args:
        keep_open: file descriptors the child inherits, such as that of a lock that must live as long as it does.
        own_group: make it a process group, which is ended as a whole; for programs that do not tell their children.
        ending: how the child is ended when this call is interrupted.

    Returns:
        The exit code and, in ``out``, everything printed.
    """
    lines: list[str] = []
    child: subprocess.Popen[str] | None = None
    try:
        with interrupts.deferred():
            child = _start(argv, env=env, cwd=cwd, keep_open=keep_open, own_group=own_group)
        assert child.stdout is not None  # noqa: S101  (PIPE was asked for)
        for line in child.stdout:
            lines.append(line)
            on_line(line.rstrip("\n"))
        return Finished(child.wait(), "".join(lines), "")
    except BaseException:
        if child is not None:
            _end(child, ending, whole_group=own_group)
        raise


def _start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None,
    cwd: Path | None,
    keep_open: Sequence[int],
    own_group: bool,
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            env={**os.environ, **(env or {})},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            bufsize=1,
            pass_fds=tuple(keep_open),
            process_group=_new_group(own_group),
        )
    except FileNotFoundError as missing:
        raise _missing(argv[0]) from missing


def _new_group(wanted: bool) -> int | None:
    return 0 if wanted and os.name != "nt" else None


def _end(child: subprocess.Popen[str], ending: Ending, *, whole_group: bool) -> None:
    """Ask it to end, and make it when it takes too long."""

    def tell(number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # sudo's child hears the terminal, but not us
            if whole_group and os.name != "nt":
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)

    if child.poll() is not None:
        return
    tell(ending.number)
    try:
        child.wait(timeout=ending.seconds)
    except subprocess.TimeoutExpired:
        tell(getattr(signal, "SIGKILL", signal.SIGTERM))
        child.wait()


def spawn_daemon(
    argv: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    uid: int | None = None,
    gid: int | None = None,
) -> int:
    """Start a program that outlives this one (session of its own, output appended to ``log``) and return its pid.

    Only its user can read the log.

    Args:
        uid, gid: run it as this user; None keeps the present one.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(_open_for_us_only(log), "ab") as output:
        if uid is not None and os.geteuid() == 0:
            os.chown(log, uid, gid if gid is not None else -1)
        try:
            child = subprocess.Popen(
                list(argv),
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                user=uid,
                group=gid,
                extra_groups=_groups_of(uid, gid),
            )
        except FileNotFoundError as missing:
            raise _missing(argv[0]) from missing
    return child.pid


def _open_for_us_only(log: Path) -> int:
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    if hasattr(os, "fchmod"):  # one that was there already may be open to others
        os.fchmod(handle, 0o600)
    return handle


def become(argv: Sequence[str]) -> NoReturn:
    """Go on as another program: same process, terminal, environment and arguments as given."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":  # there, exec starts a second process and returns to the shell too early
        sys.exit(subprocess.run(list(argv), check=False).returncode)
    os.execv(argv[0], list(argv))  # noqa: S606  (no shell is wanted)


def _groups_of(uid: int | None, gid: int | None) -> list[int] | None:
    """The user's own groups (a graphics card's among them) in place of root's; None leaves them as they are."""
    if uid is None or gid is None:
        return None
    import pwd  # noqa: PLC0415  (Windows has none)

    try:
        return os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return [gid]


def _missing(program: str) -> StackError:
    return StackError(
        f"The program `{program}` is not installed or not on the PATH.",
        fix=f"Install `{program}`, or run `python3 scripts/up.py`, which brings what the stack needs.",
        cause="program-missing",
        exit_code=2,
    )
