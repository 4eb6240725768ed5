"""What is watched from probe to probe: rows that stay, since when something is wrong, and a line for each change."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from stack.probes.report import Check, Layer, Report, Status
from stack.reports.watch import Watched

LONG = "what was seen, and all that can be said about it, which is more than a line of eighty columns can hold: END"
FIX = "docker restart chat\n# and if that does not help, look into its log, which says what it has against you"


class Clock:
    now = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watched(clock: Clock) -> Watched:
    return Watched(clock)


def check(name: str, status: Status, cause: str | None = None, evidence: str = "seen") -> Check:
    layer = Layer(name.partition(".")[0])
    return Check(name, layer, "host", status, 0.5, cause, FIX if cause else None, evidence)


def well(name: str, evidence: str = "seen") -> Check:
    return check(name, Status.OK, None, evidence)


def screen(watched: Watched, height: int = 60) -> list[str]:
    paper = io.StringIO()
    console = Console(file=paper, width=80, height=height)
    console.print(watched.screen(console, 5))
    return paper.getvalue().splitlines()


def probed(watched: Watched, *checks: Check) -> list[str]:
    """One whole probe; the lines that it is worth."""
    watched.begin()
    said = [watched.take(each) for each in checks]
    return [line for line in (*said, watched.end(Report(checks))) if line]


def local(clock: Clock) -> str:
    return clock.now.astimezone().strftime("%H:%M:%S")


def test_rows_keep_their_last_value_while_the_next_probe_runs(watched: Watched) -> None:
    probed(watched, well("engine.docker", "first"), well("model.loaded", "first"))
    watched.begin()
    watched.take(well("engine.docker", "second"))
    shown = "\n".join(screen(watched))
    assert "second" in shown
    assert "first" in shown
    assert "asking: 1 known" in shown


def test_a_row_of_a_check_that_is_not_asked_any_more_goes(watched: Watched) -> None:
    probed(watched, well("engine.docker"), well("model.loaded"))
    probed(watched, well("engine.docker"))
    assert "model.loaded" not in "\n".join(screen(watched))


def test_trouble_has_a_time_that_stays_until_it_is_another(watched: Watched, clock: Clock) -> None:
    broken = check("model.loaded", Status.FAILED, "model-not-loaded")
    probed(watched, broken)
    since = local(clock)
    clock.now += timedelta(seconds=90)
    probed(watched, broken)
    assert any("model.loaded" in line and since in line for line in screen(watched))
    probed(watched, check("model.loaded", Status.FAILED, "model-unknown"))
    assert not any("model.loaded" in line and since in line for line in screen(watched))


def test_in_eighty_columns_evidence_and_fix_are_there_in_full(watched: Watched) -> None:
    probed(watched, check("answer.chainlit", Status.FAILED, "front-end-down", LONG), well("engine.docker", LONG))
    lines = screen(watched)
    assert max(map(len, lines)) <= 80
    below = " ".join(" ".join(lines[lines.index("answer.chainlit: front-end-down") :]).split())
    assert LONG in below
    assert " ".join(FIX.split()) in below


def test_on_a_low_terminal_what_is_wrong_comes_first(watched: Watched) -> None:
    checks = [well(f"network.number-{chr(97 + number)}") for number in range(25)]
    probed(watched, *checks, check("answer.chainlit", Status.FAILED, "front-end-down", LONG))
    lines = screen(watched, height=24)
    assert len(lines) <= 24
    shown = " ".join(" ".join(lines).split())
    assert "and 25 that are well" in shown
    assert " ".join(FIX.split()) in shown


def test_without_a_terminal_there_is_a_line_for_each_change(watched: Watched, clock: Clock) -> None:
    broken = check("answer.chainlit", Status.FAILED, "front-end-down", "gone")
    fine = [well("engine.docker"), well("answer.chainlit")]
    at = local(clock)
    assert probed(watched, *fine) == [f"{at}  All is well: a real answer came back. (0.0 s)"]
    assert probed(watched, *fine) == []
    assert probed(watched, well("engine.docker"), broken) == [
        f"{at}  answer.chainlit  failed front-end-down: gone  Fix: {'; '.join(FIX.splitlines())}",
        f"{at}  Something is broken. (0.0 s)",
    ]
    assert probed(watched, well("engine.docker"), broken) == []
    clock.now += timedelta(seconds=35)
    assert probed(watched, *fine)[0] == f"{local(clock)}  answer.chainlit  ok, after 35 s of front-end-down"


def test_what_is_skipped_is_no_news(watched: Watched) -> None:
    probed(watched, well("engine.docker"), well("answer.chainlit"))
    skipped = check("answer.chainlit", Status.SKIPPED, evidence="because of engine.docker")
    said = probed(watched, check("engine.docker", Status.FAILED, "engine-unreachable"), skipped)
    assert not any("answer.chainlit" in line for line in said)
