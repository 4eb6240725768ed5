"""`down`: stop what `up` started. Nothing is left but the data volumes, and those only go when told to."""

from __future__ import annotations

import argparse
import sys

from docker import DockerClient

from stack.parts import cloud_way, containers, foundry, keeping, relay_token, way_back
from stack.parts.relay import lifecycle as relay
from stack.parts.single_run import alone
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.settings import Settings, load
from stack.tools.docker_engine import client
from stack.tools.errors import StackError


def main() -> int:
    """Run the command; returns the exit code: 0 all gone, 1 something stayed, 2 could not ask."""
    return guarded(_run)


def take_down(settings: Settings, stages: Stages, *, volumes: bool) -> None:
    """Stop containers, relay and our Foundry Local. A Foundry Local of the user's own is left alone.

    The host's part goes first and whatever the engine says, so that a broken engine never keeps a process alive.

    Args:
        volumes: remove the data volumes too.

    Raises:
        StackError: when containers, if any, or volumes could not be removed.
    """
    with alone(settings):
        with stages.stage("Stopping the relay"):
            relay.stop(settings)
            cloud_way.close(settings)
        with stages.stage("Stopping Foundry Local (if `up` started it)"):
            foundry.stop(settings)
        with stages.stage("Removing containers and networks" + (" and data volumes" if volumes else "")) as progress:
            engine = _engine()
            keeping.remove_left_over(settings, engine)  # else they keep volumes
            containers.remove(settings, progress, volumes=volumes)
            if volumes:
                _refuse_volumes_that_stay(settings, engine)
                relay_token.forget(settings)
                way_back.forget_record(settings)
                keeping.forget(settings)


def _engine() -> DockerClient:
    try:
        return client()
    except StackError as silent:
        raise StackError(
            f"{silent.message} The relay and the stack's Foundry Local are stopped; its containers, if any, are not.",
            fix=silent.fix
            if silent.cause == "engine-not-permitted"
            else "Start Docker, then run `python3 scripts/down.py` again.",
            cause=silent.cause,
            exit_code=silent.exit_code,
        ) from silent


def _refuse_volumes_that_stay(settings: Settings, engine: DockerClient) -> None:
    """Compose leaves those that somebody else's container has, and calls that done."""
    if staying := [each for each in keeping.VOLUMES if containers.has_volume(settings, engine, each)]:
        names = [keeping.full_name(settings, each) for each in staying]
        raise StackError(
            f"The stack is down, but not all of its data was removed; a container has these volumes: "
            f"{', '.join(names)}.",
            fix=f"`docker ps --all --filter volume={names[0]}` shows that container; "
            "`docker rm --force` it, and run this again.",
            cause="volumes-stay",
        )


def _run() -> int:
    parser = argparse.ArgumentParser(prog="down.py", description="Stop what up.py started; data volumes stay.")
    parser.add_argument("--volumes", action="store_true", help="remove the data volumes too (asks first)")
    parser.add_argument("--yes", action="store_true", help="answer that question with yes")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    settings = load()
    if arguments.volumes and not arguments.yes:
        _confirm()
    stages = Stages()
    take_down(settings, stages, volumes=arguments.volumes)
    about_data = (
        f"Chats, users, documents and passwords are deleted; backups, where you made any, are in {settings.backups}."
        if arguments.volumes
        else "Data volumes are kept; `--volumes` removes them."
    )
    stages.say(f"The stack is down. {about_data}")
    return 0


def _confirm() -> None:
    fix = "Run it again with --yes if that is what you want."
    if not sys.stdin.isatty():
        raise StackError(
            "Deleting chats, users, documents and passwords for good needs a yes.",
            fix=fix,
            cause="not-confirmed",
            exit_code=2,
        )
    answer = input("Stop the stack and delete its chats, users, documents and passwords for good? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        fix = "python3 scripts/down.py   stops the stack and keeps them."
        raise StackError("Nothing was changed.", fix=fix, cause="not-confirmed", exit_code=2)
