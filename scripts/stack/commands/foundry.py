"""`foundry`: start, stop and look at the Foundry Local that the stack uses, without the rest of the stack."""

from __future__ import annotations

import argparse
import json
import threading
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from stack.parts import foundry
from stack.parts.relay import lifecycle as relay
from stack.reports.console import make_console, print_table
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.settings import Settings, load
from stack.tools.errors import StackError

LOG_LINES = 100
FOLLOW_SECONDS = 0.2


def main() -> int:
    """Run the command; returns the exit code: 0 it runs (or is stopped, as asked), 1 it does not, 2 could not try."""
    return guarded(_run)


def _run() -> int:
    arguments = _arguments()
    settings = load()
    if arguments.action == "start":
        return _start(settings)
    if arguments.action == "load":
        return _load(settings, arguments.name)
    if arguments.action == "stop":
        return _stop(settings)
    if arguments.action == "status":
        return _status(settings, as_json=arguments.json)
    return _logs(foundry.status(settings).log, follow=arguments.follow)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="foundry.py", description="The Foundry Local that the stack uses.")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("start", help="start it with the model of MODEL, or adopt yours; nothing changes if it runs")
    more = actions.add_parser("load", help="load one more model beside MODEL's: the chat then offers both")
    more.add_argument("name", metavar="NAME", help="its alias, such as phi-4-mini, or its id")
    actions.add_parser("stop", help="stop it; one that you started yourself is left alone")
    status = actions.add_parser("status", help="whether it runs, where, and which models are loaded")
    status.add_argument("--json", action="store_true", help="one JSON object")
    logs = actions.add_parser("logs", help="the end of its log")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it grows, until Ctrl-C")
    for action in actions.choices.values():
        action.add_argument("--debug", action="store_true", help="show tracebacks")
    return parser.parse_args()


def _start(settings: Settings) -> int:
    stages = Stages()
    with stages.stage("Foundry Local and its model") as progress:
        foundry.ensure(settings, progress, stages.say)
    if relay.status(settings) is None:
        stages.say("The relay does not run: `python3 scripts/up.py` starts it, with the rest of the stack.")
    return 0


def _load(settings: Settings, name: str) -> int:
    stages = Stages()
    with stages.stage(f"Loading {name}") as progress:
        model_id = foundry.load(settings, name, progress)
    stages.say(f"{model_id} is loaded, until Foundry Local is stopped. It can be chosen in the chat's settings.")
    return 0


def _stop(settings: Settings) -> int:
    stages = Stages()
    with stages.stage("Stopping Foundry Local"):
        stopped = foundry.stop(settings)
    left = foundry.status(settings)
    if left.running and not left.owned:
        stages.say(f"The Foundry Local at {left.url} is yours and goes on.")
    elif not stopped:
        stages.say("There was none of the stack's to stop.")
    return 0


def _status(settings: Settings, *, as_json: bool) -> int:
    found = foundry.status(settings)
    door = relay.status(settings)
    listening = list(door.listen) if door else []
    if as_json:
        print(
            json.dumps({**asdict(found), "log": str(found.log), "relay": {"running": bool(door), "listen": listening}})
        )
        return 0 if found.running else 1
    whose = "started by the stack" if found.owned else "yours, adopted"
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("Foundry Local", Text(f"runs ({whose})", "green") if found.running else Text("does not run", "red"))
    for name, value in (
        ("address", found.url),
        ("process", found.pid),
        ("model", found.model),
        ("loaded", ", ".join(found.loaded) or ("none" if found.running else None)),
        ("catalog", found.catalog),
        ("relay", ", ".join(listening) if door else "does not run"),
        ("log", found.log if found.log.exists() else None),
    ):
        if value is not None:
            table.add_row(name, Text(str(value)))
    print_table(make_console(), table)
    return 0 if found.running else 1


def _logs(file: Path, *, follow: bool) -> int:
    if not file.exists():
        raise StackError(
            f"There is no log yet: {file}.", fix="python3 scripts/foundry.py start", cause="no-log", exit_code=2
        )
    with file.open(encoding="utf-8", errors="replace") as text:
        print("".join(deque(text, maxlen=LOG_LINES)), end="", flush=True)
        read = text.tell()
    if follow:
        with suppress(KeyboardInterrupt):  # how one leaves it
            _follow(file, read)
    return 0


def _follow(file: Path, read: int) -> None:
    """Print what is added to the log, for ever; when it was begun anew, from its beginning.

    Args:
        read: bytes that were printed already.
    """
    pause = threading.Event()
    while not pause.wait(FOLLOW_SECONDS):
        size = file.stat().st_size if file.exists() else 0
        if size == read:
            continue
        with file.open("rb") as log:
            log.seek(read if read < size else 0)
            print(log.read().decode(errors="replace"), end="", flush=True)
            read = log.tell()
