"""`bundle`: the whole stack in one file, for a machine that reaches no registry, no index and no model hub."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from stack.commands.up import make_images
from stack.parts import bundle, containers
from stack.parts.single_run import alone
from stack.reports.console import make_console, print_table
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.settings import Settings, load
from stack.tools.bundle_file import CLONE, platform_here
from stack.tools.docker_engine import client
from stack.tools.errors import StackError

MB = 1_000_000


def main() -> int:
    """Run the command; returns the exit code: 0 written, 1 it could not be done, 2 could not even try."""
    return guarded(_run)


def _run() -> int:
    parser = argparse.ArgumentParser(
        prog="bundle.py",
        description="Write the stack's images, model, Python and Debian packages and these scripts into one file, from "
        "which `up.py --bundle FILE` brings it up on a machine without a network.",
    )
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="default: foundry-stack-DATE-PLATFORM.tar in this folder"
    )
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    settings = load()
    stages = Stages()
    written = make_bundle(settings, stages, arguments.file or Path(_name()), assume_yes=arguments.yes)
    _show(stages, written)
    return 0


def make_bundle(settings: Settings, stages: Stages, target: Path, *, assume_yes: bool) -> bundle.Bundled:
    """Build what is not built, and write the bundle.

    Raises:
        StackError: why it can't be had.
    """
    target = target.absolute()
    if not target.parent.is_dir():
        fix = f"mkdir -p {target.parent}   Then run this again."
        raise StackError(f"There is no folder {target.parent}.", fix=fix, cause="folder-missing", exit_code=2)
    with alone(settings):
        engine, named = client(), bundle.named_for_a_bundle(settings)
        try:
            make_images(named, engine, stages, assume_yes=assume_yes)
            return bundle.make(named, target, stages.stage)
        finally:
            containers.remove_images(named, engine)


def _name() -> str:
    return f"foundry-stack-{datetime.now(UTC):%Y%m%d}-{platform_here()}.tar"


def _show(stages: Stages, written: bundle.Bundled) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column("part")
    table.add_column("size", justify="right")
    for part, size in written.sizes.items():
        table.add_row(part, f"{size / MB:,.0f} MB")
    table.add_row("together", f"{written.file.stat().st_size / MB:,.0f} MB", style="bold")
    print_table(make_console(), table)
    stages.say(f"{written.file}\nSHA-256: {written.sha256}")
    if written.release is None:
        stages.say("Without Docker and Python's venv module, which the other machine must have already.")
    stages.say(
        f"On the other machine: tar -xf {written.file.name} {CLONE} && cd {CLONE}\n"
        f"                      python3 scripts/up.py --bundle ../{written.file.name}"
    )
