"""Standard output for people; where it is no terminal, tables are lines that are neither cut nor filled with blanks."""

from __future__ import annotations

from io import StringIO

from rich.console import Console
from rich.table import Table

WIDTH_OF_A_FILE = 4000  # columns, where no terminal says how many it has: wide enough for any line


def make_console() -> Console:
    """Standard output."""
    return Console(highlight=False)


def print_table(console: Console, table: Table) -> None:
    """Print the table: as wide as the terminal, or as it is."""
    if console.is_terminal:
        console.print(table)
        return
    paper = StringIO()
    Console(file=paper, width=WIDTH_OF_A_FILE).print(table)
    for line in paper.getvalue().splitlines():
        console.out(line.rstrip(), highlight=False)
