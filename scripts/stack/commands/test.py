"""`test`: bring up a stack of the tests' own, run pytest on it, and leave nothing behind."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from stack.commands.down import take_down
from stack.commands.up import bring_up
from stack.parts import containers
from stack.parts.browser import ensure_browser
from stack.parts.engine import EngineState, ensure_engine, stop_engine
from stack.parts.host_checks import free_ports
from stack.parts.single_run import alone
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.reports.table import show as show_report
from stack.settings import PORTS, ROOT, Settings, default_values, load
from stack.tools.docker_engine import client
from stack.tools.errors import StackError
from stack.tools.process import Ending, stream

FOLDERS = ("unit", "stack", "faults", "browser")  # browser last: Playwright leaves an event loop that others trip over
OWN_ARGUMENTS = (*FOLDERS, "all", "-h", "--help", "--yes", "--debug")
EVERYDAY = ["-m", "not full"]
TEST_PROJECT = "foundry-stack-test"
AS_BY_CTRL_C = Ending(signal.SIGINT, 120.0)  # pytest then clears away what its fixtures made; not so when asked to end


def main() -> int:
    """Run the command; returns pytest's exit code, or 1 or 2 where it could not come that far."""
    return guarded(_run)


def _run() -> int:
    parser = argparse.ArgumentParser(
        prog="test.py",
        usage="%(prog)s [-h] [--yes] [--debug] [{" + ",".join(FOLDERS) + ",all}] [-- PYTEST'S ARGUMENTS]",
        description="Run the tests on a stack of their own.",
        epilog="Everything from the first argument on that is none of these goes to pytest, such as in: "
        "test.py unit -k relay -x. After -- everything does.",
    )
    parser.add_argument("what", nargs="?", help="default: all folders without the long tests")
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    mine, for_pytest = split(sys.argv[1:])
    arguments = parser.parse_args(mine)
    folders = FOLDERS if arguments.what in (None, "all") else (arguments.what,)
    selection = EVERYDAY if arguments.what is None else []
    if folders == ("unit",):
        return _pytest(folders, [*selection, *for_pytest], {})
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job has it ignored, and pytest would, too
    stages = Stages()
    with _own_stack(stages, assume_yes=arguments.yes) as settings:
        if "browser" in folders:
            with stages.stage("Browser") as progress:
                ensure_browser(assume_yes=arguments.yes, progress=progress, say=stages.say)
        code = _pytest(folders, [*selection, *for_pytest], settings.as_environment)
    stages.summary()
    return code


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is for this command, and, from the first thing on that is not, what is for pytest."""
    mine = list(takewhile(lambda each: each in OWN_ARGUMENTS, arguments))
    rest = list(arguments[len(mine) :])
    if rest[:1] == ["--"]:
        return mine, rest[1:]
    own_options = [each for each in rest if each in ("--yes", "--debug")]  # as before, these may come last
    return [*mine, *own_options], [each for each in rest if each not in own_options]


@contextmanager
def _own_stack(stages: Stages, *, assume_yes: bool) -> Iterator[Settings]:
    """A green stack under a project name and on ports of its own, and everything gone again afterwards."""
    with stages.stage("Docker Engine for the tests") as progress:
        engine = ensure_engine(assume_yes=assume_yes, progress=progress, say=stages.say)
    try:
        os.environ.update(_own_knobs())
        settings = load()
        with alone(settings, "test"):
            try:
                report = bring_up(settings, stages, assume_yes=assume_yes, may_upgrade=True)
                if report.exit_code != 0:
                    show_report(report)
                    raise StackError(
                        "The tests' own stack did not come up green.",
                        fix=f"The logs are in {settings.state}.",
                        cause="test-stack-not-green",
                    )
                yield settings
            finally:
                _clear_away(settings, stages)
    finally:
        _stop_if_ours(engine, stages)


def _own_knobs() -> Mapping[str, str]:
    """Every knob, so that nothing of the user's `.env` reaches the tests; the environment does (base image, CA)."""
    ports = {name.upper(): str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    kept = {key: value for key, value in os.environ.items() if key in default_values()}
    own = {
        "COMPOSE_PROJECT_NAME": TEST_PROJECT,
        "IMAGE_TAG": "test",
        **ports,
        "MONITOR_INTERVAL": "5",
        "FOUNDRY_URL": "own",
        "MODEL": "auto",
        "CLOUD_URL": "",  # tests cost nothing, and tell nobody anything
        "CLOUD_API_KEY": "",
    }
    return {**default_values(), **kept, **own}


def _clear_away(settings: Settings, stages: Stages) -> None:
    take_down(settings, stages, volumes=True)
    with stages.stage("Removing the tests' images"):
        containers.remove_images(settings, client())


def _stop_if_ours(engine: EngineState, stages: Stages) -> None:
    if engine.started_here:
        with stages.stage("Stopping the Docker daemon that the tests started"):
            stop_engine(engine)


def _pytest(folders: tuple[str, ...], arguments: list[str], knobs: Mapping[str, str]) -> int:
    screenshots = ROOT / ".state" / "screenshots"
    shutil.rmtree(screenshots, ignore_errors=True)
    color = "yes" if sys.stdout.isatty() else "no"
    argv = [sys.executable, "-m", "pytest", f"--color={color}", *(f"tests/{folder}" for folder in folders), *arguments]
    paths = {"SCREENSHOTS": str(screenshots), "PYTHONPATH": str(Path(__file__).parents[2])}
    env = {**knobs, **paths}
    return stream(
        argv, lambda line: print(line, flush=True), env=env, cwd=ROOT, own_group=True, ending=AS_BY_CTRL_C
    ).code
