"""The list of all versions: nothing that is pinned anywhere is missing in it, and what would change is told."""

from __future__ import annotations

import json
import re
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
from docker import DockerClient
from docker.errors import DockerException

from fakes.engine_of_images import EngineOfImages
from stack.parts import containers, versions
from stack.parts.keeping import beside
from stack.parts.versions import KEEPERS, TABLES, Change, Pin
from stack.settings import ROOT, Settings, default_values
from stack.tools.errors import StackError
from stack.tools.process import Finished


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)  # type: ignore[call-arg]


@pytest.fixture
def engine(settings: Settings) -> EngineOfImages:
    """Runs a container of each service, made of an image whose id is the service's name."""
    engine = EngineOfImages(settings)
    engine.names = {containers.image_of(settings, service): service for service in containers.BUILT}
    engine.start()
    return engine


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> dict[str, dict[str, str]]:
    """What the images hold, by their ids: at first, what this clone pins."""
    found = {part: {**versions.locked(part)} for part in versions.PYTHONS}
    for pin in versions.pinned(settings):
        if pin.name == TABLES:
            found[pin.part][TABLES] = pin.version
    monkeypatch.setattr(versions, "_inside", lambda settings, client, part, image: found.get(image, {}))
    return found


@pytest.fixture(autouse=True)
def volumes(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Those that are there: none at first."""
    found: set[str] = set()
    monkeypatch.setattr(containers, "has_volume", lambda settings, client, volume: volume in found)
    return found


def client(engine: EngineOfImages) -> DockerClient:
    return cast(DockerClient, engine)


def test_every_pin_of_the_repository_is_in_the_list(settings: Settings) -> None:
    listed = {(pin.file, pin.name, pin.version) for pin in versions.pinned(settings)}
    for file in [*ROOT.glob("scripts/*.in"), *ROOT.glob("services/*/requirements.in")]:
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE):
            assert (str(file.relative_to(ROOT)), name, version) in listed
    for file in ROOT.glob("services/*/package.json"):
        for name, version in json.loads(file.read_text(encoding="utf-8"))["dependencies"].items():
            assert (str(file.relative_to(ROOT)), name, version) in listed
    assert {("open-webui", "open-webui"), ("chainlit", "chainlit"), (versions.HOST, "foundry-local-sdk")} <= {
        (pin.part, pin.name) for pin in versions.pinned(settings)
    }


def test_each_stands_in_one_place_only(settings: Settings) -> None:
    places = [(pin.part, pin.name) for pin in versions.pinned(settings)]
    assert len(places) == len(set(places))
    assert all((ROOT / pin.file).exists() for pin in versions.pinned(settings))


def test_of_a_published_image_the_name_is_the_version(
    settings: Settings, engine: EngineOfImages, here: dict[str, dict[str, str]], volumes: set[str]
) -> None:
    volumes.update(KEEPERS.values())
    published = settings.model_copy(update={"open_webui_image": "published:1"})
    assert [pin for pin in versions.pinned(published) if pin.part == "open-webui"] == [
        Pin("open-webui", "OPEN_WEBUI_IMAGE", "published:1", ".env")
    ]
    versions.note(published, client(engine))
    assert versions.changes_for_data(published, client(engine)) == []
    newer = settings.model_copy(update={"open_webui_image": "published:2"})
    (change,) = versions.changes_for_data(newer, client(engine))
    assert (change.before, change.pin.version) == ("published:1", "published:2")


def test_nothing_changes_where_all_is_as_pinned(
    settings: Settings, engine: EngineOfImages, here: dict[str, dict[str, str]]
) -> None:
    assert versions.changes(settings, client(engine)) == []
    assert versions.along(settings, client(engine)) == 0


def test_what_would_change_is_told(settings: Settings, engine: EngineOfImages, here: dict[str, dict[str, str]]) -> None:
    here["open-webui"]["open-webui"] = "0.11.4"
    here["open-webui"]["aiohttp"] = "3.13.5"
    del here["chainlit"]["pypdf"]
    here["chainlit"][TABLES] = "v0000_nothing"
    found = {(each.pin.part, each.pin.name): each.before for each in versions.changes(settings, client(engine))}
    assert found == {
        ("open-webui", "open-webui"): "0.11.4",
        ("chainlit", "pypdf"): None,
        ("chainlit", TABLES): "v0000_nothing",
    }
    assert versions.along(settings, client(engine)) == 1


def test_where_nothing_is_nothing_changes(
    settings: Settings, engine: EngineOfImages, here: dict[str, dict[str, str]]
) -> None:
    here.clear()
    assert versions.changes(settings, client(engine)) == []


def test_only_those_count_for_data_who_have_some(
    settings: Settings, engine: EngineOfImages, here: dict[str, dict[str, str]], volumes: set[str]
) -> None:
    for part in here.values():
        part.update(dict.fromkeys(part, "0"))
    assert versions.changes_for_data(settings, client(engine)) == []
    volumes.add("open-webui-data")
    found = versions.changes_for_data(settings, client(engine))
    assert Change(
        Pin("open-webui", "open-webui", _pinned("open-webui"), "services/open-webui/requirements.in"), "0"
    ) in (found)
    assert {each.pin.part for each in found} == {"open-webui"}


def test_data_whose_images_are_gone_have_the_version_that_was_noted(
    settings: Settings, engine: EngineOfImages, here: dict[str, dict[str, str]], volumes: set[str]
) -> None:
    """As after `git pull`, `down.py` and `docker system prune -a`."""
    volumes.update(KEEPERS.values())
    here["open-webui"]["open-webui"] = "0.11.4"
    versions.note(settings, client(engine))
    engine.made_of, engine.names = {}, {}
    (change,) = versions.changes_for_data(settings, client(engine))
    assert (change.pin.name, change.before) == ("open-webui", "0.11.4")
    assert not versions.starts_as_it_was(settings, client(engine), "open-webui")


def test_an_image_that_was_built_since_has_not_written_the_data(
    settings: Settings, engine: EngineOfImages, here: dict[str, dict[str, str]], volumes: set[str]
) -> None:
    """As after `docker compose build` and `down.py`."""
    volumes.update(KEEPERS.values())
    here["old"] = {**here["open-webui"], "open-webui": "0.11.4"}
    engine.made_of["open-webui"] = "old"
    assert versions.starts_as_it_was(settings, client(engine), "open-webui")
    versions.note(settings, client(engine))
    engine.made_of = {}
    (change,) = versions.changes_for_data(settings, client(engine))
    assert (change.pin.name, change.before) == ("open-webui", "0.11.4")
    assert not versions.starts_as_it_was(settings, client(engine), "open-webui")
    assert versions.starts_as_it_was(settings, client(engine), "chainlit")


def test_what_nobody_knows_is_not_taken_for_the_same(
    settings: Settings, engine: EngineOfImages, here: dict[str, dict[str, str]], volumes: set[str]
) -> None:
    volumes.add("chainlit-data")
    engine.made_of, engine.names = {}, {}
    found = versions.changes_for_data(settings, client(engine))
    assert "chainlit" in {each.pin.name for each in found}
    assert {(each.pin.part, each.before) for each in found} == {("chainlit", versions.UNKNOWN)}
    assert not versions.starts_as_it_was(settings, client(engine), "chainlit")


# --- asking an image ---


def test_an_image_is_asked_whatever_the_engine_does_with_logs(
    settings: Settings, engine: EngineOfImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `docker exec`: what the SDK's `run` gives is the container's log, and nothing where the engine keeps none."""
    printed = ["", '{"Open_WebUI": "1"}']
    asked: list[Any] = []

    def run(argv: list[str], **_: Any) -> Finished:
        asked.append(argv)
        return Finished(0, printed.pop(0), "")

    monkeypatch.setattr(beside, "container_beside", lambda *_: nullcontext(SimpleNamespace(name="beside")))
    monkeypatch.setattr(beside.process, "run", run)
    assert versions.in_use(settings, client(engine), "open-webui") == {"open-webui": "1"}
    assert versions.in_use(settings, client(engine), "open-webui") == {"open-webui": "1"}, "known from now on"
    assert [argv[:4] for argv in asked] == [["docker", "exec", "beside", "python3"]] * 2


@pytest.mark.parametrize(
    "failure",
    [
        requests.exceptions.ReadTimeout("slow"),
        DockerException("refused"),
        StackError("", fix="", cause="program-failed"),
    ],
)
def test_an_image_that_does_not_answer_is_unknown(
    settings: Settings, engine: EngineOfImages, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(beside, "container_beside", fail)
    assert versions.in_use(settings, client(engine), "open-webui") == {}


def test_the_example_of_a_published_image_is_the_version_that_is_tested() -> None:
    said = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert default_values()["OPEN_WEBUI_IMAGE"] == "from-packages"
    assert f"open-webui:v{_pinned('open-webui')}-slim" in said


def _pinned(name: str) -> str:
    (version,) = {pin.version for pin in versions.pinned(Settings()) if pin.name == name}  # type: ignore[call-arg]
    return version
