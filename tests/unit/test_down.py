"""What `down` says is gone is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from docker import DockerClient
from docker.types import Mount

from fakes.folder_engine import FolderEngine
from stack.commands import down
from stack.parts import containers
from stack.parts.keeping import VOLUMES, beside
from stack.parts.keeping.contents import full_name
from stack.parts.state import write_json
from stack.reports.stages import Stages
from stack.settings import Settings, load
from stack.tools.errors import StackError


class Stack:
    """Its volumes; as with Compose, those stay that a container has."""

    def __init__(self, folder: Path) -> None:
        self.settings = load().model_copy(update={"state_dir": folder / "state"})
        self.engine = FolderEngine(folder, {"chainlit": "1"})
        for each in VOLUMES:
            self.engine.volumes.create(full_name(self.settings, each), {})
        self.note = self.settings.state / "restore.json"
        write_json(self.note, {"phase": "exchanging"})

    def used_by_a_container(self, labels: dict[str, str]) -> None:
        mount = Mount("/volumes/chainlit-data", full_name(self.settings, "chainlit-data"), type="volume")
        self.engine.containers.create("localhost/chainlit:1", labels=labels, mounts=[mount])

    def remove(self, settings: Settings, progress: Any, *, volumes: bool) -> None:
        used = {name for each in self.engine.containers.all for name in each.mounted}
        for name in (set(self.engine.volumes.all) - used) if volumes else ():
            self.engine.volumes.get(name).remove()

    def down(self, *, volumes: bool) -> None:
        down.take_down(self.settings, Stages(), volumes=volumes)


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack(tmp_path)
    monkeypatch.setattr(down.relay, "stop", lambda _: None)
    monkeypatch.setattr(down.foundry, "stop", lambda _: None)
    monkeypatch.setattr(down, "client", lambda: cast(DockerClient, stack.engine))
    monkeypatch.setattr(containers, "remove", stack.remove)
    return stack


def test_what_a_backup_that_was_killed_has_left_keeps_no_volume(stack: Stack) -> None:
    stack.used_by_a_container({beside.OURS: stack.settings.compose_project_name})
    stack.down(volumes=True)
    assert stack.engine.volumes.all == {}
    assert stack.engine.containers.all == []
    assert not stack.note.exists()


def test_a_volume_that_stays_is_told_and_what_is_known_of_it_too(stack: Stack) -> None:
    stack.used_by_a_container({})
    with pytest.raises(StackError, match=r"not all .* removed.*: [\w-]+_chainlit-data\.$") as told:
        stack.down(volumes=True)
    assert told.value.cause == "volumes-stay"
    assert stack.note.exists()


def test_data_stays_unless_told(stack: Stack) -> None:
    stack.down(volumes=False)
    assert len(stack.engine.volumes.all) == len(VOLUMES)
    assert stack.note.exists()
