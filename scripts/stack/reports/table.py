"""How people see a probe: a line for each check, and under a red table what mends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from stack.probes.report import Check, Layer, Report, Status, troubles
from stack.reports.console import make_console, print_table

STYLES = {Status.OK: "green", Status.DEGRADED: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}
WORDS = {
    Status.OK: "All is well: a real answer came back.",
    Status.DEGRADED: "It works, but not as it should.",
    Status.FAILED: "Something is broken.",
}


def show(report: Report, console: Console | None = None) -> None:
    """Print the report."""
    console = console or make_console()
    print_table(console, render(report.checks, whole=True))
    console.print(verdict(report), soft_wrap=True)


def render(checks: Sequence[Check], *, whole: bool = False) -> Table:
    """The table, from the ground up. The target is left to the JSON: a check's name says it, and lines are short.

    Args:
        whole: what was seen is not cut at the terminal's width, but goes on in a second line.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    for heading in ("check", "status"):
        table.add_column(heading, no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("what was seen", ratio=1, no_wrap=not whole, overflow="fold" if whole else "ellipsis")
    for check in in_order(checks):
        table.add_row(*row(check))
    return table


def in_order(checks: Iterable[Check]) -> list[Check]:
    """From the ground up."""
    return sorted(checks, key=lambda check: list(Layer).index(check.layer))


def row(check: Check) -> tuple[str, Text, str, Text]:
    """Name, status, seconds, and what was seen."""
    seconds = "" if check.status is Status.SKIPPED else f"{check.seconds:.2f}"
    return check.id, Text(check.status, style=STYLES[check.status]), seconds, _seen(check)


def words(report: Report) -> str:
    """One sentence on the whole."""
    answered = any(check.layer == "answer" for check in report.checks)
    return WORDS[report.status] if answered or report.status is not Status.OK else "What was asked is well."


def verdict(report: Report) -> RenderableType:
    """One sentence on the whole, and each trouble's fix in full."""
    whole = Text(f"\n{words(report)} ({report.seconds:.1f} s)", style=STYLES[report.status])
    return Group(whole, *map(trouble, troubles(report.checks)))


def trouble(check: Check) -> Text:
    """What is wrong, what was seen, and the fix in full."""
    what = (f"{check.id}: {check.cause}", STYLES[check.status])
    return Text.assemble("\n", what, f"\n  {check.evidence}\n  Fix: ", (check.fix or "", "bold"))


def _seen(check: Check) -> Text:
    style = "dim" if check.status is Status.SKIPPED else ""
    if check.cause:
        return Text.assemble((f"{check.cause}: ", STYLES[check.status]), check.evidence)
    return Text(check.evidence, style=style)
