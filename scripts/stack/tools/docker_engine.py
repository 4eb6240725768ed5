"""The only place that opens the Docker SDK, and the one way to call `docker compose`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import docker
from docker.context import ContextAPI
from docker.errors import DockerException

from stack.tools.errors import StackError
from stack.tools.process import Finished, Line, run, stream

SOCKET = Path("/var/run/docker.sock")


def client(timeout: float = 60) -> docker.DockerClient:
    """The Docker SDK's client, asked once so that an engine that is not there shows here and not later.

    Args:
        timeout: seconds that one call to the engine may take.

    Raises:
        StackError: ``engine-not-permitted`` (the user may not use the socket) or ``engine-unreachable``; exit code 2.
    """
    try:
        engine = docker.from_env(timeout=int(timeout))
        engine.ping()
    except (DockerException, OSError) as unreachable:  # OSError: what the HTTP client below the SDK raises
        if _is_for_want_of_permission(unreachable):
            raise StackError(
                "You have no right to use Docker: its socket is for root and the group `docker`.",
                fix="sudo usermod -aG docker $USER   (then log out and in), or run the command with sudo.",
                cause="engine-not-permitted",
                exit_code=2,
            ) from unreachable
        raise StackError(
            "The Docker Engine does not answer.",
            fix="python3 scripts/up.py   starts it (and installs it where it is missing).",
            cause="engine-unreachable",
            exit_code=2,
        ) from unreachable
    return engine


def _is_for_want_of_permission(error: BaseException | None) -> bool:
    """Whether a refusal by the file system is among what led to the error; the SDK wraps it several times."""
    while error is not None:
        if isinstance(error, PermissionError) or any(isinstance(each, PermissionError) for each in error.args):
            return True
        error = error.__cause__ or error.__context__
    return False


def chosen_by_user() -> str | None:
    """The address of the engine if the user chose another than this machine's own: by DOCKER_HOST or a context."""
    address: str = os.environ.get("DOCKER_HOST") or ContextAPI.kwargs_from_context().get("base_url") or ""
    return None if address.rpartition("://")[2] in ("", "/var/run/docker.sock", "/run/docker.sock") else address


def compose(
    arguments: Sequence[str],
    *,
    project: Path,
    env: Mapping[str, str],
    on_line: Line | None = None,
) -> Finished:
    """Run `docker compose ARGUMENTS` on the compose file in the folder ``project``, with ``env`` as the knobs.

    Args:
        on_line: gets each line as it is printed; without it the output is only collected.
    """
    argv = ["docker", "compose", "--project-directory", str(project), "--progress", "plain", *arguments]
    if on_line is None:
        return run(argv, env=env, cwd=project)
    return stream(argv, on_line, env=env, cwd=project, own_group=True)  # docker 20.10 does not tell its plugins to end
