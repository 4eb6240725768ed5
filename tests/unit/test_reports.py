"""How a command shows its stages and its errors."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from stack.probes.report import Check, Layer, Report, Status
from stack.reports.errors import guarded
from stack.reports.stages import Stages
from stack.reports.table import show as show_report
from stack.tools.errors import StackError


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def paper() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def stages(paper: io.StringIO, clock: Clock) -> Stages:
    return Stages(Console(file=paper, width=40, highlight=False), clock)


def test_without_a_terminal_news_come_at_most_every_five_seconds(
    stages: Stages, paper: io.StringIO, clock: Clock
) -> None:
    with stages.stage("Fetching [it]") as progress:
        for second in range(12):
            clock.now = float(second)
            progress(f"file {second}", second / 10 if second > 6 else 0.0)
    lines = paper.getvalue().splitlines()
    assert lines == ["Fetching [it] ...", "  file 5", "  file 10 (100%)", "Fetching [it]: done (11.0 s)"]


def test_a_stage_that_fails_says_so_and_its_time_is_kept(stages: Stages, paper: io.StringIO, clock: Clock) -> None:
    with pytest.raises(ValueError, match="broken"), stages.stage("Starting"):
        clock.now = 2.0
        raise ValueError("broken")
    assert "Starting: failed (2.0 s)" in paper.getvalue()
    assert stages.done == [("Starting", 2.0)]


def test_an_interrupted_stage_has_not_failed(stages: Stages, paper: io.StringIO) -> None:
    with pytest.raises(KeyboardInterrupt), stages.stage("Starting"):
        raise KeyboardInterrupt
    assert "Starting: stopped" in paper.getvalue()


def test_the_summary_adds_up(stages: Stages, paper: io.StringIO, clock: Clock) -> None:
    for seconds in (1.5, 2.5):
        with stages.stage(f"Stage of {seconds}"):
            clock.now += seconds
    stages.summary()
    together = paper.getvalue().splitlines()[-1].split()
    assert together == ["together", "4.0", "s"]


def test_in_a_file_a_table_is_neither_cut_nor_filled_with_blanks(paper: io.StringIO) -> None:
    long = "what was seen, all of it, " * 20
    console = Console(file=paper, width=40)
    for status in (Status.OK, Status.SKIPPED):
        show_report(Report([Check("a.b", Layer.ANSWER, "chat", status, 0.1, None, None, f"{long}end")]), console)
    lines = paper.getvalue().splitlines()
    assert len([line for line in lines if line.endswith(f"{long}end")]) == 2
    assert [line for line in lines if line != line.rstrip()] == []


def test_the_summary_has_no_blanks_at_the_end(stages: Stages, paper: io.StringIO) -> None:
    with stages.stage("Starting"):
        pass
    stages.summary()
    assert [line for line in paper.getvalue().splitlines() if line != line.rstrip()] == []


def test_on_a_terminal_the_stage_is_a_live_line(paper: io.StringIO) -> None:
    stages = Stages(Console(file=paper, width=80, force_terminal=True, color_system=None))
    with stages.stage("Fetching") as progress:
        progress("half of it", 0.5)
    assert "half of it" in paper.getvalue()
    assert paper.getvalue().rstrip().splitlines()[-1].endswith("s)")


def raising(error: BaseException) -> int:
    def main() -> int:
        raise error

    return guarded(main)


def test_an_error_of_ours_is_words_a_fix_and_its_own_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    code = raising(StackError("The port [80] is taken.", fix="end `it`", cause="port-taken", exit_code=2))
    assert code == 2
    assert capsys.readouterr() == ("", "The port [80] is taken.\nFix: end `it`\n")


def test_ctrl_c_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_a_defect_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(KeyError("odd")) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "odd" in said
    assert "--debug" in said


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["up.py", "--debug"])
    assert raising(KeyError("odd")) == 1
    assert "Traceback" in capsys.readouterr().err
