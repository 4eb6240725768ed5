"""`up` and the versions of what keeps data: it starts what is here, and leaves new versions to `upgrade`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker import DockerClient

from stack.commands import up
from stack.parts import containers, versions, way_back
from stack.parts.versions import Change, Pin
from stack.probes import Check, Layer, Report, Status
from stack.reports.stages import Stages
from stack.settings import Settings
from stack.tools.errors import StackError

CARRIED = SimpleNamespace(path=Path("/a/bundle.tar"))
CHANGE = Change(Pin("open-webui", "open-webui", "2", "a.in"), "1")


class Up:
    """What `up` has done."""

    def __init__(self) -> None:
        self.built: list[Sequence[str]] = []
        self.waiting = [CHANGE]
        self.missing: list[str] = []
        self.kept: list[Settings] = []
        self.others: set[str] = set()
        self.noted = 0
        self.status = Status.OK

    def make(self, *_: Any, assume_yes: bool, rebuild: Any, only: Sequence[str], carried: Any) -> None:
        self.built.append(only)

    def note(self, settings: Settings, client: DockerClient) -> None:
        self.noted += 1


def answer(status: Status) -> Check:
    return Check("answer", Layer.ANSWER, "chainlit", status, 0.0, None, None, "")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)  # type: ignore[call-arg]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Up:
    done = Up()
    ground = up.Ground(settings, cast(DockerClient, None), [])
    monkeypatch.setattr(up, "prepare", lambda settings, stages, *, assume_yes, carried: ground)
    monkeypatch.setattr(up, "start_host", lambda ground, stages: None)
    monkeypatch.setattr(up, "start_pages", lambda ground, stages, *, overlay: Report([answer(done.status)]))
    monkeypatch.setattr(versions, "starts_as_it_was", lambda settings, client, part: part not in done.others)
    monkeypatch.setattr(versions, "note", done.note)
    monkeypatch.setattr(versions, "changes_for_data", lambda settings, client: done.waiting)
    monkeypatch.setattr(containers, "missing_images", lambda settings, client: done.missing)
    monkeypatch.setattr(up, "make_images", done.make)
    monkeypatch.setattr(way_back, "keep_names", lambda settings, client: done.kept.append(settings))
    return done


def test_new_versions_wait_for_an_upgrade_and_are_told(
    settings: Settings, done: Up, capsys: pytest.CaptureFixture[str]
) -> None:
    up.bring_up(settings, Stages(), assume_yes=True)
    assert (done.built, done.kept) == ([], [settings])
    assert "open-webui 2 (1 now)" in capsys.readouterr().out


def test_without_new_versions_everything_is_built(settings: Settings, done: Up) -> None:
    done.waiting = []
    up.bring_up(settings, Stages(), assume_yes=True)
    assert done.built == [()]


def test_an_image_that_is_missing_is_built_alone(settings: Settings, done: Up) -> None:
    done.missing = ["monitor"]
    up.bring_up(settings, Stages(), assume_yes=True)
    assert done.built == [["monitor"]]


def test_who_may_upgrade_builds_everything(settings: Settings, done: Up) -> None:
    up.bring_up(settings, Stages(), assume_yes=True, may_upgrade=True)
    assert done.built == [()]


@pytest.mark.parametrize(
    ("missing", "asked"),
    [
        ([], {"rebuild": "open-webui"}),
        (["open-webui"], {}),
        ([], {"carried": CARRIED}),
        ([], {"overlay": "compose.dev.yaml"}),
    ],
)
def test_an_image_of_a_new_version_is_not_brought_by_the_way(
    settings: Settings, done: Up, missing: list[str], asked: dict[str, Any]
) -> None:
    done.missing = missing
    with pytest.raises(StackError) as refused:
        up.bring_up(settings, Stages(), assume_yes=True, **asked)
    assert refused.value.cause == "upgrade-needed"
    assert ("upgrade.py --bundle /a/bundle.tar " in refused.value.fix) == ("carried" in asked)
    assert done.built == []


def test_an_image_that_has_not_written_the_data_is_not_started_with_them(settings: Settings, done: Up) -> None:
    done.others = {"open-webui"}
    with pytest.raises(StackError) as refused:
        up.bring_up(settings, Stages(), assume_yes=True)
    assert refused.value.cause == "upgrade-needed"


def test_what_writes_the_data_is_noted_once_it_answers(settings: Settings, done: Up) -> None:
    done.status = Status.FAILED
    up.bring_up(settings, Stages(), assume_yes=True)
    assert done.noted == 0
    done.status = Status.DEGRADED
    up.bring_up(settings, Stages(), assume_yes=True)
    assert done.noted == 1


def test_nothing_starts_in_the_middle_of_an_upgrade(
    settings: Settings, done: Up, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way_back, "pending", lambda settings: way_back.WayBack(Path("b"), {}))
    with pytest.raises(StackError) as refused:
        up.bring_up(settings, Stages(), assume_yes=True)
    assert refused.value.cause == "upgrade-interrupted"
