"""`notebook.py`: what it makes of a run, and of the reader's own copy."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from stack.commands import notebook
from stack.reports.stages import Stages
from stack.settings import Settings, load
from stack.tools.errors import StackError
from stack.tools.process import Finished
from stack.tools.virtual_environment import VirtualEnvironment

OWN = VirtualEnvironment(notebook.ENVIRONMENT, (notebook.LOCK,))
Jupyter = Callable[..., list[list[str]]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load().model_copy(update={"state_dir": tmp_path})


@pytest.fixture
def jupyter(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Jupyter:
    """Have nbconvert, which is not installed here, leave these outputs in a cell each; gives how it was called."""
    called: list[list[str]] = []

    def leaves(*outputs: dict[str, Any], code: int = 0) -> list[list[str]]:
        def stream(argv: Sequence[str], on_line: Callable[[str], None], **_: Any) -> Finished:
            called.append(list(argv))
            on_line("what it says")
            cells = [
                {"cell_type": "code", "execution_count": number, "outputs": [output]}
                for number, output in enumerate(outputs, 1)
            ]
            notebook.executed(settings).write_text(json.dumps({"cells": cells}), encoding="utf-8")
            return Finished(code, "", "")

        monkeypatch.setattr(notebook, "stream", stream)
        return called

    return leaves


GOOD = {"output_type": "stream", "name": "stdout", "text": ["Paris"]}
BAD = {"output_type": "error", "ename": "AssertionError", "evalue": "no answer", "traceback": []}


def test_a_run_without_an_error_is_well(settings: Settings, jupyter: Jupyter) -> None:
    called = jupyter(GOOD, GOOD)
    assert notebook._execute(OWN, settings, Stages()) == 0
    ((python, *arguments),) = called
    assert python == str(OWN.python)
    assert arguments[-1] == str(notebook.NOTEBOOK)
    assert "--inplace" not in arguments, "the notebook in git stays without outputs"


def test_a_cell_that_fails_is_named(settings: Settings, jupyter: Jupyter, capsys: pytest.CaptureFixture[str]) -> None:
    jupyter(GOOD, BAD)
    assert notebook._execute(OWN, settings, Stages()) == 1
    said = capsys.readouterr().out
    assert "Cell 2: AssertionError: no answer" in said
    assert str(notebook.executed(settings)) in said


def test_a_run_that_could_not_be_is_no_run(settings: Settings, jupyter: Jupyter) -> None:
    jupyter(GOOD, code=1)
    with pytest.raises(StackError, match="what it says") as raised:
        notebook._execute(OWN, settings, Stages())
    assert (raised.value.cause, raised.value.exit_code) == ("notebook-not-run", 2)


def test_the_readers_copy_stays_as_he_left_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original, mine = tmp_path / "original", tmp_path / "mine"
    original.write_text("as it came")
    monkeypatch.setattr(notebook, "NOTEBOOK", original)
    monkeypatch.setattr(notebook, "MINE", mine)
    assert notebook._own_copy(Stages()).read_text() == "as it came"
    mine.write_text("as he left it")
    assert notebook._own_copy(Stages()).read_text() == "as he left it"
    assert capsys.readouterr().out == ""
    later = mine.stat().st_mtime + 60
    os.utime(original, (later, later))
    assert notebook._own_copy(Stages()).read_text() == "as he left it"
    assert "delete" in capsys.readouterr().out


def test_jupyterlab_listens_on_loopback_and_asks_the_internet_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(notebook, "become", called.append)
    notebook._open(OWN, notebook.MINE, Stages())
    ((_, *arguments),) = called
    assert {"--ServerApp.ip=127.0.0.1", "--LabApp.news_url=None", "--LabApp.extension_manager=readonly"} < {*arguments}
    assert "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate" in arguments
