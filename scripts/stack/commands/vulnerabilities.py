"""`vulnerabilities`: ask those who keep advisories about everything in the images; silence is not good news."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table
from rich.text import Text

from stack.parts import advisories
from stack.parts.advisories import Answer, Npm, Osv, Pypi, Source
from stack.parts.inventory import Inventory, Package, of_stack
from stack.reports.console import make_console, print_table
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.settings import ROOT, load
from stack.tools.docker_engine import client
from stack.tools.errors import StackError

VULNERABLE = 1
SKIPPED = 4  # nobody could be asked about some or all of it
ACCEPTED = ROOT / "scripts" / "accepted-vulnerabilities.toml"


def main() -> int:
    """Run the command; returns the exit code: 0 none is known, 1 some are, 2 could not even try, 4 nobody to ask."""
    return guarded(_run)


def _run() -> int:
    parser = argparse.ArgumentParser(
        prog="vulnerabilities.py",
        description="Ask whether anything in the images, or what the scripts run on, is known to be vulnerable. The "
        "sources are told names and versions of packages, and nothing else. Exit code: 0 none is known, 1 some are, "
        f"{SKIPPED} nobody answered for some or all of it.",
    )
    add = parser.add_argument
    add("--osv", default=advisories.OSV, metavar="URL", help="default: %(default)s")
    add("--npm", default=advisories.NPM, metavar="URL", help="asked where OSV does not answer; default: %(default)s")
    add("--pypi", default=advisories.PYPI, metavar="URL", help="asked where OSV does not answer; default: %(default)s")
    add("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    accepted = read_accepted(ACCEPTED)
    stages = Stages()
    found = of_stack(load(), client(), stages.stage)
    with stages.stage("Asking about them"):
        sources: list[Source] = [Osv(arguments.osv), Npm(arguments.npm), Pypi(arguments.pypi)]
        answer = advisories.ask(sources, list(found.values()))
    return report(answer, found, accepted)


def report(answer: Answer, found: Mapping[str, Inventory], accepted: Mapping[str, str]) -> int:
    """Print what is known and what is not; returns the exit code."""
    console = make_console()
    open_ones = 0
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for finding in answer.findings:
        package = finding.package
        left = [each for each in finding.ids if each not in accepted]
        open_ones += bool(left)
        where = f"in {', '.join(_holders(package, found))}"
        word = Text("vulnerable", "bold red") if left else Text("accepted", "yellow")
        table.add_row(word, package.kind, f"{package.name} {package.version}", " ".join(left or finding.ids), where)
    for kind, (count, source) in answer.asked.items():
        table.add_row(Text("asked", "green"), kind, f"{count} packages", source, "")
    for kind, why in answer.unknown.items():
        table.add_row(Text("SKIPPED", "yellow"), kind, "no data source", why, "")
    print_table(console, table)
    if open_ones:
        console.print(f"{open_ones} packages are known to be vulnerable.", style="bold red")
        return VULNERABLE
    if answer.unknown or not answer.asked:
        console.print("SKIPPED: nothing is known about some or all of it, neither good nor bad.", style="yellow")
        return SKIPPED
    console.print("None of it is known to be vulnerable.", style="green")
    return 0


def read_accepted(file: Path) -> dict[str, str]:
    """What somebody looked at and accepts, by the advisory's id, each with the reason.

    Raises:
        StackError: ``bad-accepted-file``; exit code 2.
    """
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8")).get("accepted", {})
        reasons = {name: str(reason).strip() for name, reason in told.items()}
        if without := [name for name, reason in reasons.items() if not reason]:
            raise ValueError(f"no reason for {', '.join(without)}")
    except (OSError, ValueError, AttributeError) as wrong:
        raise StackError(
            f"{file.name} can't be used: {wrong}",
            fix='Write one line for each advisory below [accepted]: "GHSA-..." = "why it does not matter here".',
            cause="bad-accepted-file",
            exit_code=2,
        ) from wrong
    return reasons


def _holders(package: Package, found: Mapping[str, Inventory]) -> list[str]:
    return [name for name, inventory in found.items() if package in inventory.packages]
