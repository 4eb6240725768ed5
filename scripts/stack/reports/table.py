"""How people see a probe: a line for each check, and under a red table what mends it."""

from __future__ import annotations

from collections.abc import Sequence

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
    print_table(console, render(report.checks))
    console.print(verdict(report), soft_wrap=True)


def watched(report: Report, seconds: float) -> RenderableType:
    """The report with the time it was made, for a screen that shows the next one in ``seconds``."""
    asked = f"\nasked at {report.started_at.astimezone():%H:%M:%S}, again every {seconds:.0f} s; Ctrl-C ends"
    return Group(render(report.checks), verdict(report), Text(asked, style="dim"))


def render(checks: Sequence[Check]) -> Table:
    """The table, from the ground up. The target is left to the JSON: a check's name says it, and lines are short."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=True)
    for heading in ("check", "status"):
        table.add_column(heading, no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("what was seen", ratio=1, no_wrap=True, overflow="ellipsis")  # in full below where it matters
    for check in sorted(checks, key=lambda check: list(Layer).index(check.layer)):
        table.add_row(
            check.id,
            Text(check.status, style=STYLES[check.status]),
            "" if check.status is Status.SKIPPED else f"{check.seconds:.2f}",
            _seen(check),
        )
    return table


def verdict(report: Report) -> RenderableType:
    """One sentence on the whole, and each trouble's fix in full."""
    answered = any(check.layer == "answer" for check in report.checks)
    words = WORDS[report.status] if answered or report.status is not Status.OK else "What was asked is well."
    lines: list[Text] = [Text(f"\n{words} ({report.seconds:.1f} s)", style=STYLES[report.status])]
    for check in troubles(report.checks):
        lines.append(Text.assemble("\n", (f"{check.id}: {check.cause}", STYLES[check.status])))
        lines.append(Text(f"  {check.evidence}"))
        lines.append(Text.assemble("  Fix: ", (check.fix or "", "bold")))
    return Group(*lines)


def _seen(check: Check) -> Text:
    style = "dim" if check.status is Status.SKIPPED else ""
    if check.cause:
        return Text.assemble((f"{check.cause}: ", STYLES[check.status]), check.evidence)
    return Text(check.evidence, style=style)
