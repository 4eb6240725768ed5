"""`probe`: ask the running stack, up to a real generated token, and say what is broken and what mends it."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from contextlib import AbstractContextManager, nullcontext

from rich.live import Live

from stack import probes
from stack.reports import table
from stack.reports.console import make_console
from stack.reports.errors import guarded
from stack.settings import Settings, load

WATCH_SECONDS = 5.0  # between the end of one probe and the start of the next


def main() -> int:
    """Run the command; returns the exit code: 0 ok, 1 broken, 2 could not ask, 3 degraded."""
    return guarded(_run)


def _run() -> int:
    parser = argparse.ArgumentParser(prog="probe.py", description="Ask the running stack whether users get answers.")
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/probe.schema.json)")
    parser.add_argument("--watch", action="store_true", help="ask until Ctrl-C; with --json one object a line")
    layers = [layer.value for layer in probes.Layer]
    parser.add_argument("--only", metavar="LAYER", choices=layers, help=f"one of: {', '.join(layers)}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    settings = load()
    only = probes.Layer(arguments.only) if arguments.only else None
    if arguments.watch:
        return _watch(settings, only, as_json=arguments.json)
    if arguments.json:
        report = probes.run(settings, only)
        print(json.dumps(report.to_json(), indent=2))
        return report.exit_code
    return _once(settings, only).exit_code


def _once(settings: Settings, only: probes.Layer | None) -> probes.Report:
    """One probe; on a terminal its lines appear as they become known."""
    console = make_console()
    if console.is_terminal:
        known: list[probes.Check] = []
        with Live(console=console, transient=True) as live:

            def on_check(check: probes.Check) -> None:
                known.append(check)
                live.update(table.render(known))

            report = probes.run(settings, only, on_check)
    else:
        report = probes.run(settings, only)
    table.show(report, console)
    return report


def _watch(settings: Settings, only: probes.Layer | None, *, as_json: bool) -> int:
    """Probe until Ctrl-C or SIGTERM; the exit code is that of the last whole probe."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    pause = threading.Event()
    report: probes.Report | None = None
    live: AbstractContextManager[Live | None] = (
        nullcontext() if as_json else Live(console=make_console(), auto_refresh=False)
    )
    try:
        with live as screen:
            while True:
                report = probes.run(settings, only)
                if screen is None:
                    print(json.dumps(report.to_json()), flush=True)
                else:
                    screen.update(table.watched(report, WATCH_SECONDS), refresh=True)
                pause.wait(WATCH_SECONDS)
    except KeyboardInterrupt:
        return report.exit_code if report else 0
