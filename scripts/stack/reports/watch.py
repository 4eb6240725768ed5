"""What is watched from probe to probe: each check as it was seen last, and since when what is wrong is so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from stack.probes.report import Check, Report, Status
from stack.reports.table import in_order, row, trouble, words

CLOCK = "%H:%M:%S"


@dataclass(frozen=True)
class Seen:
    """A check as it was seen last.

    Args:
        since: when it was first seen so without a break.
    """

    check: Check
    since: datetime

    @property
    def is_trouble(self) -> bool:
        """Something must be done about it."""
        return self.check.status in (Status.FAILED, Status.DEGRADED)


class Watched:
    """Takes in probe after probe."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._seen: dict[str, Seen] = {}
        self._known = 0  # in the probe under way
        self.report: Report | None = None
        """The last whole one."""

    def begin(self) -> None:
        """A probe begins; what was seen last stays until it is seen anew."""
        self._known = 0

    def take(self, check: Check) -> str | None:
        """A check is known; one line on what is new about it; None where nothing is, or it is well from the first."""
        before = self._seen.get(check.id)
        same = before and (before.check.status, before.check.cause) == (check.status, check.cause)
        self._seen[check.id] = after = Seen(check, before.since if before and same else self._now())
        self._known += 1
        return None if same else self._news(before, after)

    def end(self, report: Report) -> str | None:
        """The probe is over; one line where the whole is not as it was."""
        before, self.report = self.report, report
        kept = {check.id for check in report.checks}
        self._seen = {name: seen for name, seen in self._seen.items() if name in kept}
        if before and before.status == report.status:
            return None
        return f"{_clock(self._now())}  {words(report)} ({report.seconds:.1f} s)"

    def screen(self, console: Console, again: float) -> RenderableType:
        """All of it; where the terminal is not high enough for that, of what is well only how many there are."""
        foot = Text(f"\n{self._foot(again)}", style="dim")
        below = Group(*(trouble(seen.check) for seen in self._seen.values() if seen.is_trouble))
        whole = Group(self._table(lambda _: True), below, foot)
        if len(console.render_lines(whole, pad=False)) <= console.height:
            return whole
        well = sum(not seen.is_trouble for seen in self._seen.values())
        rest = Text(f"and {well} that are well, or skipped because of these", style="dim")
        return Group(self._table(lambda seen: seen.is_trouble), rest, below, foot)

    def _foot(self, again: float) -> str:
        if self._known and (self.report is None or self._known < len(self._seen)):
            return f"asking: {self._known} known; Ctrl-C ends"
        asked = f"{words(self.report)} Asked at {_clock(self.report.started_at)}, " if self.report else ""
        return f"{asked}again every {again:.0f} s; Ctrl-C ends"

    def _table(self, shown: Callable[[Seen], bool]) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", expand=True)
        for heading in ("check", "status", "since"):
            table.add_column(heading, no_wrap=True)
        table.add_column("what was seen", ratio=1, no_wrap=True, overflow="ellipsis")  # in full below where it matters
        for check in in_order(seen.check for seen in self._seen.values() if shown(seen)):
            seen = self._seen[check.id]
            name, status, _, what = row(check)
            table.add_row(name, status, _clock(seen.since) if seen.is_trouble else "", what)
        return table

    def _news(self, before: Seen | None, after: Seen) -> str | None:
        check, at = after.check, _clock(after.since)
        if after.is_trouble:
            fix = "; ".join((check.fix or "").splitlines())
            return f"{at}  {check.id}  {check.status} {check.cause}: {check.evidence}  Fix: {fix}"
        if before and before.is_trouble and check.status is Status.OK:
            took = (after.since - before.since).total_seconds()
            return f"{at}  {check.id}  ok, after {took:.0f} s of {before.check.cause}"
        return None


def _clock(at: datetime) -> str:
    return at.astimezone().strftime(CLOCK)
