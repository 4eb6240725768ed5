"""`upgrade`: from the versions that run to those of this clone, with a backup, and back by itself where it fails."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import stamina
from docker import DockerClient
from docker.errors import DockerException
from rich.table import Table
from rich.text import Text

from stack import probes
from stack.commands.backup import back_up
from stack.commands.up import WELL, Ground, checked_bundle, make_images, prepare, start_host, start_pages
from stack.parts import containers, host_checks, versions, way_back
from stack.parts.keeping.contents import left_out
from stack.parts.single_run import alone
from stack.parts.state import write_text
from stack.parts.way_back import WayBack
from stack.reports.console import make_console, print_table
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.reports.table import show as show_report
from stack.settings import Settings, load
from stack.tools.bundle_file import BundleFile
from stack.tools.docker_engine import client
from stack.tools.errors import StackError
from stack.tools.progress import silent

GREEN_SECONDS = 120.0  # that new versions have, once their containers are healthy
MIGRATION_SECONDS = 1800.0  # that they have before, as long as their containers run on without a restart
WOULD_CHANGE = 3
LOG = "upgrade-failed.log"


class NotGreen(Exception):  # noqa: N818  (no error of this program: a verdict)
    """The new versions run, and users get no answer."""


def main() -> int:
    """Run the command; returns the exit code: 0 it answers, 1 gone back or broken, 2 could not even try.

    With ``--check``: 0 no pinned version changes, 3 one does, or the last upgrade is not over.
    """
    return guarded(_run)


def _run() -> int:
    parser = argparse.ArgumentParser(
        prog="upgrade.py",
        description="Bring the versions of this clone (after `git pull`, say): back up, build, start, probe; "
        "and go back by itself, data included, where users would get no answer.",
    )
    parser.add_argument("--check", action="store_true", help="only say what would change (exit code 3: something)")
    parser.add_argument("--list", action="store_true", help="list every version that is pinned, and in which file")
    parser.add_argument(
        "--bundle", type=Path, metavar="FILE", help="take the new versions from a file that bundle.py wrote"
    )
    parser.add_argument(
        "--database-is-backed-up",
        action="store_true",
        help="where the chat is kept in PostgreSQL, which the way back leaves as it is: you have a dump of it",
    )
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    settings = load()
    if arguments.list:
        return _list(settings)
    if arguments.check:
        return _check(settings)
    stages = Stages()
    carried = checked_bundle(arguments.bundle, stages) if arguments.bundle else None
    with alone(settings):
        report = _upgrade(
            settings, stages, assume_yes=arguments.yes, carried=carried, has_dump=arguments.database_is_backed_up
        )
    stages.summary()
    show_report(report)
    return report.exit_code


def _list(settings: Settings) -> int:
    _print(
        ("part", "package", "version", "pinned in"),
        [(*_whose(pin), pin.version, pin.file) for pin in versions.pinned(settings)],
    )
    return 0


def _check(settings: Settings) -> int:
    if way_back.pending(settings):
        print(
            "The last upgrade was interrupted in the middle: `python3 scripts/upgrade.py` goes back, and tries again."
        )
        return WOULD_CHANGE
    engine = client()
    _refuse_without_data(settings, engine)
    found = versions.changes(settings, engine)
    if not found:
        print("Nothing to upgrade: no version that this clone pins is another than what is here.")
        print("Whatever else is newer in it comes with `python3 scripts/up.py`.")
        return 0
    rows = [(*_whose(each.pin), each.before or "", each.pin.version, each.pin.file) for each in found]
    _print(("part", "package", "now", "then", "pinned in"), rows)
    print(f"{versions.along(settings, engine)} other Python packages come with them.")
    print("`python3 scripts/upgrade.py` brings them. Debian's own packages come as its archive has them that day.")
    return WOULD_CHANGE


def _whose(pin: versions.Pin) -> tuple[str, str]:
    return pin.part, pin.name


def _print(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    print_table(make_console(), table)


def _upgrade(
    settings: Settings,
    stages: Stages,
    *,
    assume_yes: bool,
    carried: BundleFile | None = None,
    has_dump: bool = False,
) -> probes.Report:
    ground = prepare(settings, stages, assume_yes=assume_yes, carried=carried)
    engine = ground.engine
    if way := way_back.pending(settings):
        stages.say("The last upgrade was interrupted in the middle.")
        _keep_what_is_here(ground, stages)
        _go_back(ground, stages, way)
    _refuse_without_data(settings, engine)
    found, waiting = versions.changes(settings, engine), versions.changes_for_data(settings, engine)
    if not has_dump:
        _refuse_without_dump(settings, waiting)
    host_checks.check_disk_for_upgrade(settings, engine)
    make_images(way_back.new(settings), engine, stages, assume_yes=assume_yes, carried=carried)
    way_back.fill_gaps(settings, engine)
    start_host(ground, stages)
    if not way_back.differ(settings, engine) and not waiting:
        way_back.forget(settings, engine)
        way_back.keep_names(settings, engine)
        stages.say("Nothing to upgrade: the images are those of this clone.")
        return _noted(ground, start_pages(ground, stages))
    backup = _back_up(ground, stages)
    with _going_back(ground, stages):
        with stages.stage("Exchanging the images"):
            way_back.cross(settings, engine, backup)
        report = _noted(ground, _green(ground, stages))
    way_back.forget(settings, engine)
    for each in found:
        stages.say(f"{each.pin.part}: {each.pin.name} {each.before or '(none)'} is now {each.pin.version}.")
    stages.say(f"The data from before are in {backup}.")
    return report


def _keep_what_is_here(ground: Ground, stages: Stages) -> None:
    """As far as it can be read: people may have used the new versions since."""
    settings = ground.settings
    try:
        with stages.stage("Stopping the containers"):
            containers.stop(settings)
        file = back_up(settings, stages, settings.backups)
    except (StackError, DockerException, OSError) as failed:
        stages.say(f"What is here now could not be backed up ({_reason(failed)}).")
    else:
        stages.say(f"What was said since then is in {file}, and no more in the stack once it has gone back.")


def _refuse_without_data(settings: Settings, engine: DockerClient) -> None:
    if not any(containers.has_volume(settings, engine, volume) for volume in versions.KEEPERS.values()):
        raise StackError(
            "There is nothing to upgrade: this stack has no data yet.",
            fix="python3 scripts/up.py   brings the stack up, in the versions of this clone.",
            cause="nothing-to-upgrade",
            exit_code=2,
        )


def _refuse_without_dump(settings: Settings, waiting: Sequence[versions.Change]) -> None:
    outside = left_out(settings)
    if outside and any(each.pin.name == versions.TABLES for each in waiting):
        raise StackError(
            f"The new version changes {versions.TABLES}, for which the upgrade has no way back. Its backup has not: "
            f"{'; '.join(outside)}.",
            fix="Dump that database, then run this again with --database-is-backed-up.",
            cause="database-not-backed-up",
            exit_code=2,
        )


def _back_up(ground: Ground, stages: Stages) -> Path:
    """With nobody at the pages, so that nothing is said after it that going back would lose."""
    settings = ground.settings
    try:
        with stages.stage("Stopping the containers"):
            containers.stop(settings)
        return back_up(way_back.readers(settings, ground.engine), stages, settings.backups)
    except BaseException:
        with stages.stage("Starting them again, as they were"):
            _start_as_it_was(ground)
        raise


def _start_as_it_was(ground: Ground) -> None:
    """Where it can; from the images in use, whatever has their names now."""
    if way_back.can_start(ground.settings, ground.engine):
        way_back.keep_names(ground.settings, ground.engine)
        containers.start(ground.settings, silent)


@contextmanager
def _going_back(ground: Ground, stages: Stages) -> Iterator[None]:
    """Whatever ends the block early, an interrupt too, the stack goes back to what it was before."""
    try:
        yield
    except BaseException as failed:
        way = way_back.pending(ground.settings)
        if way is None:  # not even the images were exchanged
            _start_as_it_was(ground)
            raise
        log = ground.settings.state / LOG
        with suppress(OSError):  # a full disk is no reason not to go back
            write_text(log, containers.last_words(ground.settings))
        stages.say(f"The new versions do not work ({_reason(failed)}): going back to what was before.")
        report = _go_back(ground, stages, way)
        if not isinstance(failed, StackError | NotGreen):
            raise
        show_report(report)
        missing = "".join(f", but for {each}" for each in left_out(ground.settings))
        back = f"is back on what it was before, with all its data{missing}"
        raise StackError(
            f"The upgrade failed: {_reason(failed)}. The stack {back}"
            + (", and answers." if report.exit_code in WELL else ", and was not well even so."),
            fix=f"{log} has the last words of the new containers. Nothing needs to be done for the old ones; "
            "`python3 scripts/upgrade.py` tries again.",
            cause="upgrade-failed",
        ) from failed


def _reason(failed: BaseException) -> str:
    if isinstance(failed, StackError):
        what, *more = failed.message.splitlines()
        return ": ".join([what.rstrip(".:"), *(each.strip() for each in more[-1:])])  # Compose names who it is last
    return str(failed) or "interrupted"


def _go_back(ground: Ground, stages: Stages, way: WayBack) -> probes.Report:
    with stages.stage("Going back: the images and the data from before") as progress:
        way_back.take(ground.settings, ground.engine, way, progress)
    if set(way.images) != set(containers.BUILT):
        way_back.forget(ground.settings, ground.engine)
        raise StackError(
            "The data are as they were before, and nothing runs: the images that had written them were gone already.",
            fix="python3 scripts/upgrade.py   tries again; the versions from before start with the clone from before: "
            "python3 scripts/up.py",
            cause="upgrade-failed",
        )
    start_host(ground, stages)  # after a reboot in the middle it is down
    report = _noted(ground, start_pages(ground, stages))
    way_back.forget(ground.settings, ground.engine)
    return report


def _green(ground: Ground, stages: Stages) -> probes.Report:
    """Start what is new and wait until every page answers.

    Raises:
        NotGreen: with what is broken, as the probe says it.
    """
    try:
        report = start_pages(ground, stages)
    except StackError as late:
        if late.cause != "containers-failed" or not _starting(ground):
            raise
        with stages.stage("Waiting for what takes the data over") as progress:
            for attempt in stamina.retry_context(NotGreen, timeout=MIGRATION_SECONDS, attempts=None, wait_max=5.0):
                with attempt:
                    if starting := _starting(ground):
                        progress(starting)
                        raise NotGreen(starting) from late
        report = start_pages(ground, stages)
    if report.exit_code not in WELL:
        with stages.stage("Waiting for it") as progress:
            for attempt in stamina.retry_context(NotGreen, timeout=GREEN_SECONDS, attempts=None, wait_max=5.0):
                with attempt:
                    report = probes.run(ground.settings)
                    progress(_broken(report))
                    if report.exit_code not in WELL:
                        raise NotGreen(_broken(report))
    return report


def _starting(ground: Ground) -> str:
    """Who is at it yet: Compose does not wait longer than a start without data to take over may last."""
    found = containers.still_starting(ground.settings, ground.engine, list(versions.KEEPERS))
    return f"{', '.join(found)}: not up yet" if found else ""


def _noted(ground: Ground, report: probes.Report) -> probes.Report:
    if report.exit_code in WELL:
        versions.note(ground.settings, ground.engine)
    return report


def _broken(report: probes.Report) -> str:
    return "; ".join(f"{each.id}: {each.cause}" for each in report.checks if each.status == probes.Status.FAILED)
