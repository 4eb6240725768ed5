"""`probe`: ask the running stack, up to a real generated token, and say what is broken and what mends it."""

from __future__ import annotations

import argparse
import json
import threading
from functools import partial
from typing import NoReturn, Protocol

from rich.console import Console
from rich.live import Live

from stack import probes
from stack.probes.schedule import OnCheck
from stack.reports import table
from stack.reports.console import make_console
from stack.reports.errors import guarded
from stack.reports.watch import Watched
from stack.settings import load

WATCH_SECONDS = 5.0  # between the end of one probe and the start of the next
PAUSE = threading.Event()  # never set: what waits for it can be interrupted


class Ask(Protocol):
    """Makes one probe."""

    def __call__(self, on_check: OnCheck | None = None) -> probes.Report: ...


def main() -> int:
    """Run the command; returns the exit code: 0 ok, 1 broken, 2 could not ask, 3 degraded."""
    return guarded(_run)


def _run() -> int:
    parser = argparse.ArgumentParser(prog="probe.py", description="Ask the running stack whether users get answers.")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/probe.schema.json)")
    parser.add_argument("--watch", action="store_true", help="ask until Ctrl-C; with --json one object a line")
    layers = [layer.value for layer in probes.Layer]
    parser.add_argument("--only", metavar="LAYER", choices=layers, help=f"one of: {', '.join(layers)}")
    parser.add_argument("--no-answers", action="store_true", help="ask nothing that costs a token of the model")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    if arguments.no_answers and arguments.only == probes.Layer.ANSWER:
        parser.error("--only answer and --no-answers leave nothing to ask")
    only = probes.Layer(arguments.only) if arguments.only else None
    ask = partial(probes.run, load(), only, answers=not arguments.no_answers)
    if arguments.watch:
        return _watch(ask, as_json=arguments.json)
    if arguments.json:
        report = ask()
        print(json.dumps(report.to_json(), indent=2))
        return report.exit_code
    return _once(ask).exit_code


def _once(ask: Ask) -> probes.Report:
    """One probe; on a terminal its lines appear as they become known."""
    console = make_console()
    if console.is_terminal:
        known: list[probes.Check] = []
        with Live(console=console, transient=True) as live:

            def on_check(check: probes.Check) -> None:
                known.append(check)
                live.update(table.render(known))

            report = ask(on_check=on_check)
    else:
        report = ask()
    table.show(report, console)
    return report


def _watch(ask: Ask, *, as_json: bool) -> int:
    """Probe until Ctrl-C or SIGTERM; the exit code is that of the last whole probe."""
    console = make_console()
    watched = Watched()
    try:
        if as_json:
            _print_reports(ask, watched)
        elif console.is_terminal:
            _redraw(ask, watched, console)
        else:
            _print_changes(ask, watched)
    except KeyboardInterrupt:
        if watched.report is None:
            return 0
        if console.is_terminal and not as_json:
            table.show(watched.report, console)
        return watched.report.exit_code


def _print_reports(ask: Ask, watched: Watched) -> NoReturn:
    while True:
        report = ask()
        watched.end(report)
        print(json.dumps(report.to_json()), flush=True)
        PAUSE.wait(WATCH_SECONDS)


def _print_changes(ask: Ask, watched: Watched) -> NoReturn:
    """A line for each thing that is not as it was: for a file, or another program."""

    def say(line: str | None) -> None:
        if line:
            print(line, flush=True)

    while True:
        watched.begin()
        say(watched.end(ask(on_check=lambda check: say(watched.take(check)))))
        PAUSE.wait(WATCH_SECONDS)


def _redraw(ask: Ask, watched: Watched, console: Console) -> NoReturn:
    """The terminal's second screen, which leaves the first one as it was."""
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def draw() -> None:
            live.update(watched.screen(console, WATCH_SECONDS), refresh=True)

        def on_check(check: probes.Check) -> None:
            watched.take(check)
            draw()

        while True:
            watched.begin()
            watched.end(ask(on_check=on_check))
            draw()
            PAUSE.wait(WATCH_SECONDS)
