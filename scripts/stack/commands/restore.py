"""`restore`: what a backup holds in the place of what is here, all of it or nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import NamedTuple

from docker import DockerClient

from stack.commands.backup import back_up
from stack.commands.up import bring_up, make_images
from stack.parts import containers, keeping, relay_token, way_back
from stack.parts.engine import ensure_engine
from stack.parts.keeping import Checked
from stack.parts.single_run import alone
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.reports.table import show as show_report
from stack.settings import Settings, load
from stack.tools import passphrase
from stack.tools.docker_engine import client
from stack.tools.errors import StackError
from stack.tools.progress import silent
from stack.tools.text import in_mb


class Backup(NamedTuple):
    """One that can be opened, and was read to its end."""

    file: Path
    passphrase: str | None
    checked: Checked


def main() -> int:
    """Run the command; returns the exit code: 0 done, 1 it could not be done, 2 it was refused, nothing is changed.

    Where the stack ran before, it runs again, and the code is that of `up`.
    """
    return guarded(_run)


def _run() -> int:
    arguments = _arguments()
    stages = Stages()
    file = _file(arguments.file)
    phrase = passphrase.known(arguments.passphrase_file) if keeping.needs_passphrase(file) else None
    with stages.stage("Checking the backup") as progress:
        checked = keeping.check(file, progress, passphrase=phrase)
    _tell(stages, checked)
    if arguments.check:
        stages.say("It is whole, and as it was made.")
        return 0
    decided = Event()
    with keeping.env_in_place(checked.env, decided.is_set) as about_env:
        settings = load()
        with alone(settings):
            ran = _restore(settings, stages, Backup(file, phrase, checked), arguments, decided)
    if about_env:
        stages.say(about_env)
    stages.say("All that is in the backup is here again.")
    if not ran:
        stages.say("python3 scripts/up.py   starts the stack with it.")
        return 0
    report = bring_up(settings, stages, assume_yes=arguments.yes)
    show_report(report)
    return report.exit_code


def _restore(settings: Settings, stages: Stages, backup: Backup, arguments: argparse.Namespace, decided: Event) -> bool:
    """Do it; whether the stack ran before.

    Args:
        decided: is set when nothing can be undone any more.
    """
    way_back.refuse_in_the_middle(settings)
    with stages.stage("Docker Engine") as progress:
        ensure_engine(assume_yes=arguments.yes, progress=progress, say=stages.say)
    engine = client()
    if len(containers.images(settings, engine)) < len(containers.BUILT):
        make_images(settings, engine, stages, assume_yes=arguments.yes)
    file, phrase, checked = backup
    has_data = any(containers.has_volume(settings, engine, volume) for volume in keeping.VOLUMES)
    with _going_on(settings, engine, stages, decided) as ran:
        if arguments.replace and not arguments.no_backup and has_data:
            keeping.refuse_newer(settings, engine, checked.manifest)
            with stages.stage("Stopping the containers"):  # what people said after the backup would be lost
                containers.stop(settings)
            stages.say("What is here goes into a backup first.")
            back_up(settings, stages, settings.backups, phrase)
            if phrase is not None:
                stages.say("It has the passphrase of the one that is put back.")
        with stages.stage("Restoring") as progress:
            keeping.restore(
                settings,
                engine,
                file,
                progress,
                replace=arguments.replace,
                passphrase=phrase,
                checked=checked,
                on_decision=decided.set,
            )
    relay_token.forget(settings)
    return bool(ran)


@contextmanager
def _going_on(settings: Settings, engine: DockerClient, stages: Stages, decided: Event) -> Iterator[set[str]]:
    """Have the services that run, run again if the block fails before it is decided; yields them."""
    ran = _running(settings, engine)
    if ran:
        way_back.keep_names(settings, engine)  # what is stopped is gone, and is made anew from its image's name
    try:
        yield ran
    except BaseException:
        try:
            if not decided.is_set() and ran - _running(settings, engine):
                with stages.stage("Starting the containers again, as they were"):
                    containers.start(settings, silent)
        except (StackError, OSError):  # the SDK's are such, too; the other error counts
            stages.say("python3 scripts/up.py   starts the stack again.")
        raise


def _running(settings: Settings, engine: DockerClient) -> set[str]:
    found = containers.of_project(settings, engine)
    return {each.labels[containers.SERVICE_LABEL] for each in found if each.status == "running"}


def _tell(stages: Stages, checked: Checked) -> None:
    manifest = checked.manifest
    versions = ", ".join(f"{service} {version}" for service, version in manifest.versions.items())
    moment = manifest.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    stages.say(f"Made {moment} of {manifest.project}: {in_mb(checked.size)} in {checked.count} entries; {versions}")
    for each in manifest.left_out:
        stages.say(f"Not in it: {each}")


def _file(given: Path) -> Path:
    """A path, or the name of one of those that `backup.py --list` shows."""
    if given.exists() or given.parent != Path():
        return given
    return load().backups / given


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="restore.py",
        description="Check a backup, and put what it holds in the place of what is here: all of it, or nothing. "
        "On a machine without the stack it brings what it needs.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a path, or a name that backup.py --list shows")
    parser.add_argument("--check", action="store_true", help="only check it, and say what is in it")
    parser.add_argument(
        "--replace", action="store_true", help="also where there is data already; it is backed up first"
    )
    parser.add_argument("--no-backup", action="store_true", help="with --replace: what is here is lost")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its first line opens the backup")
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args()
