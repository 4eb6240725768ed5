"""The way back from an upgrade: wherever it is interrupted, it leads to the images and the data from before."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from docker import DockerClient
from docker.errors import APIError

from fakes.engine_of_images import EngineOfImages
from stack.parts import containers, keeping, way_back
from stack.parts.containers import BUILT, SERVICE_LABEL, image_of
from stack.settings import Settings
from stack.tools.errors import StackError
from stack.tools.progress import silent

BACKUP = Path(__file__)  # any file that is there
OLD = {service: f"sha256:old-{service}" for service in BUILT}
NEW = {service: f"sha256:new-{service}" for service in BUILT}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path)  # type: ignore[call-arg]


@pytest.fixture
def engine(settings: Settings) -> EngineOfImages:
    """The old versions run, the new images are built."""
    engine = EngineOfImages(settings)
    engine.names = {image_of(settings, service): OLD[service] for service in BUILT}
    engine.start()
    engine.names |= {image_of(way_back.new(settings), service): NEW[service] for service in BUILT}
    return engine


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch, engine: EngineOfImages) -> list[Path]:
    """The backups that were put back."""
    files: list[Path] = []

    def restore(settings: Settings, client: Any, file: Path, progress: Any, *, replace: bool) -> None:
        assert replace
        assert not engine.made_of, "nobody may be at the data"
        files.append(file)

    def remove(settings: Settings, progress: Any, *, volumes: bool) -> None:
        assert not volumes
        engine.made_of = {}

    monkeypatch.setattr(keeping, "restore", restore)
    monkeypatch.setattr(containers, "remove", remove)
    return files


def client(engine: EngineOfImages) -> DockerClient:
    return cast(DockerClient, engine)


def named(engine: EngineOfImages, settings: Settings) -> dict[str, str]:
    return {service: engine.names[image_of(settings, service)] for service in BUILT}


def test_what_differs(settings: Settings, engine: EngineOfImages) -> None:
    assert way_back.differ(settings, client(engine)) == list(BUILT)
    engine.names[image_of(way_back.new(settings), "gateway")] = OLD["gateway"]
    assert "gateway" not in way_back.differ(settings, client(engine))
    engine.made_of = {}  # as after `down`: what counts is what would be started
    assert way_back.differ(settings, client(engine)) == [each for each in BUILT if each != "gateway"]


def test_the_image_in_use_is_the_containers_while_it_is_here(settings: Settings, engine: EngineOfImages) -> None:
    engine.names[image_of(settings, "chainlit")] = NEW["chainlit"]  # as after `docker compose build`
    assert containers.image_in_use(settings, client(engine), "chainlit") == OLD["chainlit"]
    engine.gone.add(OLD["chainlit"])
    assert containers.image_in_use(settings, client(engine), "chainlit") == NEW["chainlit"]
    engine.made_of, engine.names = {}, {}
    assert containers.image_in_use(settings, client(engine), "chainlit") is None


def test_who_is_starting_yet(settings: Settings) -> None:
    """Unhealthy is who takes longer than the healthcheck thinks; who was restarted has failed, whatever it does now."""
    seen = {
        "healthy": ("running", 0, "healthy"),
        "long": ("running", 0, "unhealthy"),
        "begins": ("running", 0, "starting"),
        "again": ("running", 1, "starting"),
        "ended": ("exited", 0, "unhealthy"),
    }

    def found(all: bool, filters: dict[str, list[str]], ignore_removed: bool) -> list[Any]:  # noqa: A002
        (service,) = [each.partition("=")[2] for each in filters["label"] if each.startswith(SERVICE_LABEL)]
        status, restarts, health = seen[service]
        state = {"Status": status, "Health": {"Status": health}}
        return [SimpleNamespace(attrs={"State": state, "RestartCount": restarts})]

    docker = cast(DockerClient, SimpleNamespace(containers=SimpleNamespace(list=found)))
    assert containers.still_starting(settings, docker, list(seen)) == ["long", "begins"]


def test_an_upgrade_that_works_leaves_the_new_images_and_nothing_else(
    settings: Settings, engine: EngineOfImages
) -> None:
    way_back.cross(settings, client(engine), BACKUP)
    assert named(engine, settings) == NEW
    assert way_back.pending(settings) == way_back.WayBack(BACKUP, OLD)
    engine.start()
    way_back.forget(settings, client(engine))
    assert way_back.pending(settings) is None
    assert engine.names == {image_of(settings, service): NEW[service] for service in BUILT}


def test_going_back_brings_the_old_images_and_the_data(
    settings: Settings, engine: EngineOfImages, restored: list[Path]
) -> None:
    way_back.cross(settings, client(engine), BACKUP)
    engine.start()
    way = way_back.pending(settings)
    assert way
    way_back.take(settings, client(engine), way, silent)
    assert restored == [BACKUP]
    engine.start()
    way_back.forget(settings, client(engine))
    assert engine.names == {image_of(settings, service): OLD[service] for service in BUILT}


@pytest.mark.parametrize("names_given", range(2 * len(BUILT)))
def test_wherever_the_exchange_breaks_off_there_is_a_way_back_or_nothing_has_changed(
    settings: Settings, engine: EngineOfImages, restored: list[Path], names_given: int
) -> None:
    engine.breaks_after = names_given
    with pytest.raises(APIError):
        way_back.cross(settings, client(engine), BACKUP)
    engine.breaks_after = None
    if way := way_back.pending(settings):
        way_back.take(settings, client(engine), way, silent)
    assert named(engine, settings) == OLD


def test_going_back_can_be_done_again(settings: Settings, engine: EngineOfImages, restored: list[Path]) -> None:
    way_back.cross(settings, client(engine), BACKUP)
    way = way_back.pending(settings)
    assert way
    engine.breaks_after = 2
    with pytest.raises(APIError):
        way_back.take(settings, client(engine), way, silent)
    assert way_back.pending(settings) == way
    engine.breaks_after = None
    way_back.take(settings, client(engine), way, silent)
    assert named(engine, settings) == OLD
    assert way_back.pending(settings) is None


def test_the_way_back_is_known_until_the_data_are_back(
    settings: Settings, engine: EngineOfImages, restored: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    way_back.cross(settings, client(engine), BACKUP)
    way = way_back.pending(settings)
    assert way
    with monkeypatch.context() as broken, pytest.raises(ZeroDivisionError):
        broken.setattr(keeping, "restore", lambda *_, **__: 1 / 0)
        way_back.take(settings, client(engine), way, silent)
    assert way_back.pending(settings) == way


@pytest.mark.parametrize("lost", ["image", "backup"])
def test_a_way_back_that_is_lost_is_told_before_anything_is_touched_and_blocks_nobody(
    settings: Settings, engine: EngineOfImages, restored: list[Path], lost: str, tmp_path: Path
) -> None:
    way_back.cross(settings, client(engine), tmp_path / "gone" if lost == "backup" else BACKUP)
    engine.start()
    if lost == "image":
        engine.gone.add(OLD["chainlit"])
    way, before = way_back.pending(settings), engine.made_of
    assert way
    with pytest.raises(StackError, match="image of chainlit" if lost == "image" else "/gone") as refused:
        way_back.take(settings, client(engine), way, silent)
    assert refused.value.cause == "way-back-lost"
    assert (f"restore.py {BACKUP} --replace" in refused.value.fix) == (lost == "image")
    assert (restored, engine.made_of, named(engine, settings)) == ([], before, NEW)
    way_back.refuse_in_the_middle(settings)
    assert (settings.state / way_back.LOST).exists()


def test_the_room_of_the_new_images_is_free_when_the_data_come_back(
    settings: Settings, engine: EngineOfImages, restored: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    way_back.cross(settings, client(engine), BACKUP)
    way = way_back.pending(settings)
    assert way

    def restore(*_: Any, **__: Any) -> None:
        assert not set(NEW.values()) & set(engine.names.values())
        restored.append(BACKUP)

    monkeypatch.setattr(keeping, "restore", restore)
    way_back.take(settings, client(engine), way, silent)
    assert restored == [BACKUP]


def test_what_is_in_use_gets_its_name_back(settings: Settings, engine: EngineOfImages) -> None:
    engine.names[image_of(settings, "chainlit")] = NEW["chainlit"]  # as after `docker compose build`
    way_back.keep_names(settings, client(engine))
    assert named(engine, settings) == OLD


def test_nothing_else_goes_on_in_the_middle_of_an_upgrade(settings: Settings, engine: EngineOfImages) -> None:
    way_back.refuse_in_the_middle(settings)
    way_back.cross(settings, client(engine), BACKUP)
    with pytest.raises(StackError) as refused:
        way_back.refuse_in_the_middle(settings)
    assert (refused.value.cause, refused.value.exit_code) == ("upgrade-interrupted", 2)
