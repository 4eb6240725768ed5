"""How `up`, `down` and `test` show what they are doing: one line a stage, and each stage's time at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console, RenderableType
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.progress import Progress as LiveLine
from rich.table import Table
from rich.text import Text

from stack.reports.console import make_console, print_table
from stack.tools import consent
from stack.tools.progress import Progress

PLAIN_NEWS_EVERY = 5.0  # seconds: a log file wants to be read, not scrolled


class Stages:
    """The stages of one command, shown as they run.

    On a terminal the running stage is one live line (spinner, elapsed time, a bar where a fraction is known);
    anywhere else it is plain lines: the start, news at most every five seconds, the end with its seconds.

    Args:
        console: where to print; standard output by default.
        clock: seconds from a fixed moment.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or make_console()
        self.done: list[tuple[str, float]] = []
        self._clock = clock

    @contextmanager
    def stage(self, title: str) -> Iterator[Progress]:
        """Show ``title`` as running for as long as the block runs, and remember how long it took."""
        started = self._clock()
        outcome, style = "failed", "red"
        try:
            with self._live(title) if self.console.is_terminal else self._plain(title) as progress:
                yield progress
            outcome, style = "done", "green"
        except KeyboardInterrupt:
            outcome, style = "stopped", "yellow"
            raise
        finally:
            seconds = self._clock() - started
            self.done.append((title, seconds))
            self._print(Text.assemble(title, ": ", (outcome, style), (f" ({seconds:.1f} s)", "dim")))

    def say(self, text: str) -> None:
        """Print a note for the user between the stages."""
        self._print(Text(text))

    def summary(self) -> None:
        """Print the time of every stage so far, and of all together."""
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column("stage")
        table.add_column("seconds", justify="right")
        for title, seconds in self.done:
            table.add_row(Text(title), f"{seconds:.1f} s")
        table.add_row("together", f"{sum(seconds for _, seconds in self.done):.1f} s", style="bold")
        print_table(self.console, table)

    @contextmanager
    def _live(self, title: str) -> Iterator[Progress]:
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), _BarWhenKnown(), _News())
        with LiveLine(*columns, TimeElapsedColumn(), console=self.console, transient=True) as line:
            task = line.add_task(title, total=None, news="")

            def progress(text: str, fraction: float | None = None) -> None:
                line.update(task, news=text)
                if fraction is not None:
                    line.update(task, total=1.0, completed=fraction)

            consent.quiet_display = lambda: _still(line)
            try:
                yield progress
            finally:
                consent.quiet_display = nullcontext

    @contextmanager
    def _plain(self, title: str) -> Iterator[Progress]:
        self._print(Text(f"{title} ..."))
        last_told = self._clock()

        def progress(text: str, fraction: float | None = None) -> None:
            nonlocal last_told
            now = self._clock()
            if now - last_told >= PLAIN_NEWS_EVERY:
                last_told = now
                share = f" ({fraction:.0%})" if fraction else ""  # 0 % says that nothing goes on
                self._print(Text(f"  {text}{share}"))

        yield progress

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)


@contextmanager
def _still(line: LiveLine) -> Iterator[None]:
    line.stop()
    try:
        yield
    finally:
        line.start()


class _BarWhenKnown(ProgressColumn):
    """A bar only where a fraction is known; a pulsing bar would say nothing that the spinner does not."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = BarColumn(bar_width=24)

    def render(self, task: Task) -> RenderableType:
        return "" if task.total is None else self._bar.render(task)


class _News(ProgressColumn):
    """The stage's latest news, cut to what a line can hold."""

    max_refresh = 0.1

    def render(self, task: Task) -> Text:
        news = Text(str(task.fields["news"]), style="dim", overflow="ellipsis", no_wrap=True)
        news.truncate(60, overflow="ellipsis")
        return news
