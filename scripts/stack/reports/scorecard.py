"""How people see the audit: a line for each item in the terminal, and the same as the page `docs/scorecard.md`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stack.audits.scorecard import BENCHMARK, CHEAT_SHEET, Finding, Line, Scorecard, Status
from stack.reports.console import print_table

STYLES = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.EXCEPTION: "yellow",
    Status.NOT_APPLICABLE: "dim",
    Status.MACHINE: "dim",
}
OUTCOMES = (Status.PASSED, Status.EXCEPTION, Status.NOT_APPLICABLE)  # of what is not red, in the order of the counts

HEAD = f"""\
# Scorecard: how the containers are hardened

Each line was asked of the running containers: of the engine (`inspect`), of the image and its history, and of `/proc`
inside; none of it is read from compose.yaml. (`init` has ended: of it the engine, its image and its disk tell.)
`python3 scripts/audit.py` asks again, names the setting that mends a red line, and ends with 1 if there is one. This
page is what `python3 scripts/audit.py --markdown` writes.

**CIS** is the {BENCHMARK}, number and title; **OWASP** the rules of the
[{CHEAT_SHEET}](https://cheatsheetseries.owasp.org/cheatsheets/Docker_Security_Cheat_Sheet.html);
**house** are this project's own rules.
"""
MACHINES = """\
## The machine's

How the engine and the machine are set up is for their owner. The stack neither needs nor changes any of this, and none
of it turns the scorecard red; `python3 scripts/audit.py` shows what is so on the machine at hand.

| item | title |
|---|---|"""


def show(card: Scorecard, console: Console) -> None:
    """Print the scorecard, and for each red line what mends it."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("item", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("what it is about", overflow="fold")
    table.add_column("what was seen", overflow="fold")
    for line in card.lines:
        status = Text(line.status, style=STYLES[line.status])
        table.add_row(_cited(line), status, Text(line.title), Text("; ".join(_sights(line))))
    print_table(console, table)
    for line in card.failed:
        console.print(_trouble(line), soft_wrap=True)
    counts = ", ".join(f"{card.count(status)} {status}" for status in (*OUTCOMES, Status.MACHINE))
    verdict = f"{len(card.failed)} red; {counts}." if card.exit_code else f"Nothing is red: {counts}."
    console.print(Text(f"\n{verdict}", style="bold red" if card.exit_code else "green"), soft_wrap=True)


def page(card: Scorecard) -> str:
    """The page, in Markdown. What differs from machine to machine is left out of it."""
    ours = [line for line in card.lines if line.status is not Status.MACHINE]
    counts = "; ".join(f"{number} {status}" for status, number in Counter(map(_settled, ours)).most_common())
    rows = [
        f"| {_cited(line)} | {line.title} | {_settled(line)} | {_cell('; '.join(_lasting_sights(line)))} |"
        for line in ours
    ]
    table = ["| item | title | status | what was seen |", "|---|---|---|---|", *rows]
    machines = [f"| {_cited(line)} | {line.title} |" for line in card.lines if line.status is Status.MACHINE]
    exceptions = ["## The exceptions", "", *_exceptions(ours)]
    return "\n".join([HEAD, f"{counts}.", "", *table, "", *exceptions, "", MACHINES, *machines, ""])


def _settled(line: Line) -> str:
    """The status; where it hangs on the machine, the same words on every machine, unless it is red."""
    if line.depends_on and line.status is not Status.FAILED:
        return "passed where it applies"
    return line.status


def _lasting_sights(line: Line) -> list[str]:
    if line.depends_on and line.status is not Status.FAILED:
        return [f"hangs on {line.depends_on}"]
    return _sights(line)


def _sights(line: Line) -> list[str]:
    """What was seen, once for all containers that are alike."""
    alike = line.by_sight
    everybody = len(alike) == 1
    return [finding.seen if everybody else f"{', '.join(who)}: {finding.seen}" for finding, who in alike.items()]


def _exceptions(lines: Iterable[Line]) -> Iterable[str]:
    for line in lines:
        for finding, who in line.by_sight.items():
            if finding.status is Status.EXCEPTION:
                yield f"- **{line.id}**, {_who(who, line.findings)}: {finding.seen}. {finding.reason}"


def _who(who: Sequence[str], findings: Sequence[Finding]) -> str:
    return "each container" if len(who) == len(findings) else ", ".join(who)


def _cited(line: Line) -> str:
    return ", ".join(line.references)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _trouble(line: Line) -> Text:
    """What is wrong, where, and what to set."""
    red = [(finding, who) for finding, who in line.by_sight.items() if finding.status is Status.FAILED]
    text = Text.assemble("\n", (f"{line.id}: {line.title}", STYLES[Status.FAILED]))
    for finding, who in red:
        text.append(f"\n  {', '.join(who)}: {finding.seen}")
    where = ", ".join(target for _, who in red for target in who)
    return text.append_text(
        Text.assemble(f"\n  Fix: for {where}: ", (line.fix, "bold"), "; then: python3 scripts/up.py")
    )
