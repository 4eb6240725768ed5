"""`backup`: all of the stack's data in one file, while it runs; and which of those files there are."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table
from rich.text import Text

from stack.parts import keeping, way_back
from stack.parts.single_run import alone
from stack.reports.console import make_console, print_table
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.settings import Settings, load
from stack.tools import passphrase
from stack.tools.docker_engine import client
from stack.tools.errors import StackError
from stack.tools.progress import Progress
from stack.tools.text import in_mb

WHAT_IT_HOLDS = "It holds every chat and every password of the stack, readable by whoever has the file."


def main() -> int:
    """Run the command; returns the exit code: 0 done, 1 it could not be done, 2 could not even try."""
    return guarded(_run)


def back_up(
    settings: Settings, stages: Stages, folder: Path, phrase: str | None = None, *, even_damaged: bool = False
) -> Path:
    """Make a backup and read it again, to its end; the caller holds the project's lock.

    Raises:
        StackError: whatever a stage can't do.
    """
    with stages.stage("Backup") as progress:
        engine = client()
        keeping.finish(settings, engine)
        file = keeping.make(settings, engine, folder, progress, passphrase=phrase, even_damaged=even_damaged)
    with stages.stage("Reading it again") as progress:
        checked = _read_again(file, progress, phrase)
    versions = ", ".join(f"{service} {version}" for service, version in checked.manifest.versions.items())
    stages.say(
        f"{file}   {in_mb(file.stat().st_size)}, unpacked {in_mb(checked.size)} in {checked.count} entries; {versions}"
    )
    for each in checked.manifest.left_out:
        stages.say(f"Not in it: {each}")
    if phrase is None:
        stages.say(f"{WHAT_IT_HOLDS} `backup.py --encrypt` makes one that is locked.")
    return file


def _read_again(file: Path, progress: Progress, phrase: str | None) -> keeping.Checked:
    try:
        return keeping.check(file, progress, passphrase=phrase)
    except StackError as bad:
        file.unlink(missing_ok=True)
        raise StackError(
            f"What was written is not what is there, so the new backup was removed: {bad.message}",
            fix="The disk or the memory may be bad (`dmesg` often says so). Run this again; if it repeats, with "
            "--to FOLDER on another disk.",
            cause=bad.cause,
        ) from bad


def _run() -> int:
    arguments = _arguments()
    settings = load()
    folder = arguments.to.resolve() if arguments.to else settings.backups
    if arguments.list:
        return _list(settings, folder)
    phrase = passphrase.new(arguments.passphrase_file) if arguments.encrypt or arguments.passphrase_file else None
    stages = Stages()
    with alone(settings):
        back_up(settings, stages, folder, phrase, even_damaged=arguments.even_damaged)
        way = way_back.pending(settings)  # an upgrade that was interrupted goes back to its backup
        gone = keeping.drop_oldest(
            folder,
            settings.compose_project_name,
            arguments.keep or settings.backup_keep,
            needed=way.backup if way else None,
        )
    for file in gone:
        stages.say(f"Removed, as the oldest: {file.name}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="backup.py",
        description="Write chats, users, uploaded files, passwords, keys and `.env` into one file. The stack may run.",
    )
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="instead of BACKUP_DIR, such as on another disk")
    parser.add_argument("--keep", type=_count, metavar="N", help="how many stay there, instead of BACKUP_KEEP")
    parser.add_argument("--encrypt", action="store_true", help="lock it with a passphrase (asks for it)")
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="lock it with the first line of this file")
    parser.add_argument(
        "--even-damaged", action="store_true", help="take a damaged database as its files are, instead of giving up"
    )
    parser.add_argument("--list", action="store_true", help="show the backups that are there, the newest first")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return int(text)


def _list(settings: Settings, folder: Path) -> int:
    found = keeping.kept(folder, settings.compose_project_name)
    if not found:
        raise StackError(
            f"There are no backups of {settings.compose_project_name} in {folder}.",
            fix="python3 scripts/backup.py   makes one; --to FOLDER names another folder.",
            cause="no-backups",
        )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("file", "made"):
        table.add_column(heading, no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("holds data of")
    for each in found:
        table.add_row(
            each.file.name,
            each.made_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            in_mb(each.size),
            Text(_contents(each)),
        )
    print_table(make_console(), table)
    return 0


def _contents(each: keeping.Kept) -> str:
    if each.manifest is None:
        return "encrypted" if each.encrypted else "can't be read"
    return ", ".join(f"{service} {version}" for service, version in each.manifest.versions.items())
