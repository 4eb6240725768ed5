"""The list of all versions: nothing that is pinned anywhere is missing in it, and what would change is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import pytest
from docker import DockerClient

from stack.parts import containers, versions
from stack.parts.versions import TABLES, Change, Pin
from stack.settings import ROOT, Settings, default_values

NOBODY = cast(DockerClient, None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)  # type: ignore[call-arg]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> dict[str, dict[str, str]]:
    """What the images hold: at first, what this clone pins."""
    found = {part: {**versions.locked(part)} for part in versions.PYTHONS}
    for pin in versions.pinned(settings):
        if pin.name == TABLES:
            found[pin.part][TABLES] = pin.version
    monkeypatch.setattr(versions, "in_use", lambda settings, client, part: found.get(part, {}))
    return found


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


def test_a_published_image_has_its_own_version(settings: Settings) -> None:
    published = settings.model_copy(update={"open_webui_image": "ghcr.io/open-webui/open-webui:v1"})
    assert "open-webui" not in {pin.part for pin in versions.pinned(published)}


def test_nothing_changes_where_all_is_as_pinned(settings: Settings, here: dict[str, dict[str, str]]) -> None:
    assert versions.changes(settings, NOBODY) == []
    assert versions.along(settings, NOBODY) == 0


def test_what_would_change_is_told(settings: Settings, here: dict[str, dict[str, str]]) -> None:
    here["open-webui"]["open-webui"] = "0.11.4"
    here["open-webui"]["aiohttp"] = "3.13.5"
    del here["chainlit"]["pypdf"]
    here["chainlit"][TABLES] = "v0000_nothing"
    found = {(each.pin.part, each.pin.name): each.before for each in versions.changes(settings, NOBODY)}
    assert found == {
        ("open-webui", "open-webui"): "0.11.4",
        ("chainlit", "pypdf"): None,
        ("chainlit", TABLES): "v0000_nothing",
    }
    assert versions.along(settings, NOBODY) == 1


def test_where_nothing_is_nothing_changes(settings: Settings, here: dict[str, dict[str, str]]) -> None:
    here.clear()
    assert versions.changes(settings, NOBODY) == []


def test_only_those_count_for_data_who_have_some(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, here: dict[str, dict[str, str]]
) -> None:
    for part in here.values():
        part.update(dict.fromkeys(part, "0"))
    volumes: set[str] = set()
    monkeypatch.setattr(containers, "has_volume", lambda settings, client, volume: volume in volumes)
    assert versions.changes_for_data(settings, NOBODY) == []
    volumes.add("open-webui-data")
    found = versions.changes_for_data(settings, NOBODY)
    assert Change(
        Pin("open-webui", "open-webui", _pinned("open-webui"), "services/open-webui/requirements.in"), "0"
    ) in (found)
    assert {each.pin.part for each in found} == {"open-webui"}


def test_the_example_of_a_published_image_is_the_version_that_is_tested() -> None:
    said = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert default_values()["OPEN_WEBUI_IMAGE"] == "from-packages"
    assert f"open-webui:v{_pinned('open-webui')}-slim" in said


def _pinned(name: str) -> str:
    (version,) = {pin.version for pin in versions.pinned(Settings()) if pin.name == name}  # type: ignore[call-arg]
    return version
