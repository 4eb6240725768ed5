"""Containers of the stack's images that run beside it for a moment, to read its volumes or to fill them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from docker import DockerClient
from docker.errors import ImageNotFound
from docker.models.containers import Container
from docker.types import Mount

from stack.parts.containers import PROJECT_LABEL, SERVICE_LABEL
from stack.parts.keeping.contents import Program
from stack.settings import Settings
from stack.tools import process
from stack.tools.errors import StackError

OURS = "foundry-stack.keeping"  # the label; its value is the project
LONGEST_SECONDS = 24 * 3600  # then one whose script was killed ends by itself
ASKED_SO_OFTEN = 3
PROGRAMS = Path(__file__).parent / "inside"

ASK_TABLES = (
    "import pathlib, sys; print(max((each.stem for each in pathlib.Path(sys.argv[1]).glob('v*.py')), default='none'))"
)
ASK_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"

Piece = TypeVar("Piece")
News = Callable[[Mapping[str, Any]], None]


@contextmanager
def container_beside(
    settings: Settings,
    client: DockerClient,
    image: str,
    mounts: Sequence[Mount],
    rights: Sequence[str] | None = None,
) -> Iterator[Container]:
    """Have a container that waits for what it is told to run; without a network, and gone afterwards.

    Args:
        rights: run as root with these capabilities; None: as the image's own user, with none.

    Raises:
        StackError: ``image-missing``; exit code 2.
    """
    try:
        container = client.containers.create(
            image,
            entrypoint=["sleep", str(LONGEST_SECONDS)],
            command=[],
            init=True,
            labels={PROJECT_LABEL: "", SERVICE_LABEL: "", OURS: settings.compose_project_name},
            network_mode="none",
            cap_drop=["ALL"],
            cap_add=list(rights or ()),
            user=None if rights is None else "0:0",
            security_opt=["no-new-privileges:true"],
            read_only=True,
            pids_limit=32,
            mem_limit="512m",
            mounts=list(mounts),
            healthcheck={"test": ["NONE"]},
        )
    except ImageNotFound as missing:
        raise _no_image(image) from missing
    try:
        container.start()
        yield container
    finally:
        container.remove(force=True, v=True)


def remove_left_over(settings: Settings, client: DockerClient) -> None:
    """Remove those of a script that was killed."""
    for each in client.containers.list(all=True, filters={"label": f"{OURS}={settings.compose_project_name}"}):
        each.remove(force=True, v=True)


def run(container: Container, argv: Sequence[str]) -> str:
    """Run a program in the container to its end; what it printed.

    Raises:
        StackError: ``program-failed`` with the end of what it said.
    """
    # In a group of its own: what must not be left in the middle does not hear Ctrl-C.
    done = process.run(["docker", "exec", str(container.name), *argv], own_group=True)
    if done.code != 0:
        raise _failed(done.code, done.out + done.err)
    return done.out


def answer(container: Container, argv: Sequence[str]) -> str:
    """The same, for a program that prints something; on a busy machine the engine now and then loses all of it.

    Raises:
        StackError: ``program-failed``.
    """
    for _ in range(ASKED_SO_OFTEN):
        if printed := run(container, argv).strip():
            return printed
    raise _failed(0, "without a word")


def streamed(container: Container, argv: Sequence[str], on_news: News) -> Iterator[bytes]:
    """Run a program in the container; what it prints, as it comes.

    It says how much that was in all, as ``done``, and then waits for the container's end; see `answer` for why.

    Args:
        on_news: gets each object that it says on standard error.

    Raises:
        StackError: ``program-failed``, where it ends by itself.
    """
    api = cast(DockerClient, container.client).api
    made = api.exec_create(container.id, list(argv))["Id"]
    said, came, whole = _Said(), 0, None
    for out, err in from_engine(lambda: api.exec_start(made, stream=True, demux=True)):
        if out:
            came += len(out)
            yield out
        for news in said.take(err or b""):
            on_news(news)
            whole = news.get("done", whole)
        if came == whole:
            return
    raise _failed(api.exec_inspect(made)["ExitCode"], said.rest)


def from_engine(ask: Callable[[], Iterable[Piece]]) -> Iterator[Piece]:
    """What the engine gives, piece by piece.

    Raises:
        StackError: ``program-failed``, where the connection breaks; an OSError would be taken for the disk's.
    """
    try:
        yield from ask()
    except OSError as broken:
        raise StackError(
            f"The Docker Engine did not give all that it was asked for: {broken}",
            fix="`docker info` says whether it is well; then run this again.",
            cause="program-failed",
        ) from broken


class _Said:
    """What a program says on standard error, as it comes: objects, one a line, and whatever else."""

    def __init__(self) -> None:
        self.rest = ""
        self._line = b""

    def take(self, piece: bytes) -> Iterator[Mapping[str, Any]]:
        """The objects that are whole now."""
        *lines, self._line = (self._line + piece).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            try:
                found = json.loads(text)
            except ValueError:
                found = None
            if isinstance(found, dict):
                yield found
            else:
                self.rest += f"{text}\n"


def version_in(container: Container, program: Program) -> str:
    """The program's version in the image that the container is made from.

    Raises:
        StackError: ``program-failed``.
    """
    return answer(container, [program.python, "-I", "-c", ASK_VERSION, program.package])


def tables_in(container: Container, program: Program) -> str:
    """The newest of our own migrations in the image; for a program that has a place for them.

    Raises:
        StackError: ``program-failed``.
    """
    return answer(container, [program.python, "-I", "-c", ASK_TABLES, program.tables])


def ours(python: str, program: str, *arguments: str) -> list[str]:
    """The command line for one of our programs, which travels with it."""
    return [python, "-I", "-c", (PROGRAMS / f"{program}.py").read_text(encoding="utf-8"), *arguments]


def _failed(code: int, said: str) -> StackError:
    return StackError(
        f"A program beside the stack ended with {code}:\n{said.strip()[-600:]}",
        fix="`docker system df` and `df -h` show whether a disk is full; then run this again.",
        cause="program-failed",
    )


def _no_image(image: str) -> StackError:
    return StackError(
        f"There is no image {image} here.",
        fix="python3 scripts/up.py   builds it; then run this again.",
        cause="image-missing",
        exit_code=2,
    )
