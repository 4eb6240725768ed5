"""`notebook`: open the tutorial's notebook in JupyterLab, or run it top to bottom, in an environment of its own."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import NoReturn

from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.settings import ROOT, Settings, load
from stack.tools.errors import StackError
from stack.tools.process import become, stream
from stack.tools.root import is_root
from stack.tools.user import hand_over
from stack.tools.virtual_environment import VirtualEnvironment

NOTEBOOK = ROOT / "services" / "chainlit" / "chainlit_app.ipynb"
MINE = NOTEBOOK.with_name("chainlit_app.mine.ipynb")  # git does not see it
LOCK = NOTEBOOK.with_name("notebook-requirements.lock")
ENVIRONMENT = ROOT / ".venv-notebook"
KERNEL, SHOWN_AS = "foundry-local", "Foundry Local"
OWN_MODULES = {"PYTHONPATH": ""}  # where that leads to scripts/, Jupyter would take notebook.py there for its own
CELL_SECONDS = 600  # the checklist runs the audit and the probe on a busy machine
ROOT_AND_DOOR = (f"--ServerApp.root_dir={ROOT}", "--ServerApp.ip=127.0.0.1")  # its links lead to docs/ and readme
# JupyterLab would ask the internet for news of itself and for its extensions.
ASKS_NOBODY = (
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.news_url=None",
    "--LabApp.extension_manager=readonly",
)


def main() -> int:
    """Run the command; returns JupyterLab's exit code, or 0 done, 1 a cell failed, 2 could not even try."""
    return guarded(_run)


def _run() -> int:
    parser = argparse.ArgumentParser(prog="notebook.py", description="The tutorial's notebook, on the running stack.")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--register", action="store_true", help="only make its kernel known to VS Code and other Jupyters")
    how.add_argument("--run", action="store_true", help="run it top to bottom, and say where the result is")
    parser.add_argument("--yes", action="store_true", help="install what is missing without asking")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    settings, stages = load(), Stages()
    own = VirtualEnvironment(ENVIRONMENT, (LOCK,))
    if not own.is_ready():
        own.make(assume_yes=arguments.yes)
    _register(own, stages, "--sys-prefix")  # in the environment itself, where its own Jupyter looks
    if arguments.register:
        _register(own, stages, "--user")
        stages.say(f"Choose the kernel “{SHOWN_AS}” for {NOTEBOOK.relative_to(ROOT)}.")
        return 0
    if arguments.run:
        return _execute(own, settings, stages)
    return _open(own, _own_copy(stages), stages)


def _open(own: VirtualEnvironment, notebook: Path, stages: Stages) -> NoReturn:
    stages.say("JupyterLab opens in the browser; Ctrl-C ends it.")
    root = ["--allow-root"] if is_root() else []
    become([str(own.python), "-m", "jupyterlab", str(notebook), *ROOT_AND_DOOR, *ASKS_NOBODY, *root])


def _register(own: VirtualEnvironment, stages: Stages, where: str) -> None:
    """As the tutorial does it."""
    argv = [str(own.python), "-m", "ipykernel", "install", where, "--name", KERNEL, "--display-name", SHOWN_AS]
    lines: list[str] = []
    if stream(argv, lines.append, env=OWN_MODULES).code != 0:
        raise StackError(
            "The kernel could not be registered:\n" + "\n".join(lines[-5:]),
            fix="Correct what it says, then run this again.",
            cause="kernel-not-registered",
            exit_code=2,
        )
    if where == "--user":
        stages.say("\n".join(lines))


def _execute(own: VirtualEnvironment, settings: Settings, stages: Stages) -> int:
    """What a reader would see who runs all cells; the notebook itself stays without outputs."""
    result = executed(settings)
    result.parent.mkdir(parents=True, exist_ok=True)
    argv = [str(own.python), "-m", "nbconvert", "--to", "notebook", "--execute", "--allow-errors"]
    argv += [
        f"--ExecutePreprocessor.timeout={CELL_SECONDS}",
        f"--output-dir={result.parent}",
        f"--output={result.name}",
    ]
    lines: list[str] = []
    with stages.stage("Running the notebook: a minute or two"):
        done = stream([*argv, str(NOTEBOOK)], lines.append, env=OWN_MODULES)
    if done.code != 0:
        raise StackError(
            "The notebook could not be run:\n" + "\n".join(lines[-10:]),
            fix="Correct what it says, then run this again.",
            cause="notebook-not-run",
            exit_code=2,
        )
    for path in (result.parent, result):
        hand_over(path)
    failed = _errors(result)
    for number, error in failed:
        stages.say(f"Cell {number}: {error}")
    stages.say(f"With all its outputs: {result}")
    return 1 if failed else 0


def executed(settings: Settings) -> Path:
    """Where ``--run`` leaves the notebook with its outputs."""
    return settings.state / "notebook" / "executed.ipynb"


def _errors(notebook: Path) -> list[tuple[int, str]]:
    """The number of each cell that failed, as Jupyter counts them, and why."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [
        (cell["execution_count"], f"{output['ename']}: {output['evalue']}")
        for cell in cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
    ]


def _own_copy(stages: Stages) -> Path:
    """The reader's own, so that what is run and changed there never stands in the way of `git pull`."""
    if not MINE.exists():
        shutil.copyfile(NOTEBOOK, MINE)
        hand_over(MINE)
    elif MINE.stat().st_mtime < NOTEBOOK.stat().st_mtime:
        stages.say(f"The notebook has changed since {MINE} was made or saved: delete that one to begin with the new.")
    return MINE
