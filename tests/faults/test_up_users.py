"""Who may run it: a plain user who may use Docker, and a user behind sudo, whose files and daemons stay the user's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from faults.own_clone import make_clone, nobody, open_folder
from faults.own_stack import GREEN, OwnStack, own_stack
from stack.parts.model import prepare as prepare_model
from stack.settings import Settings
from stack.tools.docker_engine import client
from stack.tools.progress import silent

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may act as another user"),
]


@pytest.fixture
def users(settings: Settings, tmp_path: Path) -> Iterator[OwnStack]:
    """A stack in a clone that belongs to a user who may use Docker; run by that user."""
    with open_folder() as folder, own_stack(settings, client(), tmp_path) as stack:
        user = nobody(may_use_docker=True)
        clone = make_clone(folder / "clone", user)
        stack.clone, stack.python, stack.user = clone.folder, clone.python, user
        move_state(stack, settings, clone.folder / ".state")
        yield stack


def move_state(stack: OwnStack, base: Settings, to: Path) -> None:
    """Keep the state below the clone, with a model cache of the user's own that holds a copy of the model."""
    stack.settings = Settings(**{**stack.settings.model_dump(), "state_dir": to})
    stack.knobs["STATE_DIR"] = str(to)
    stack.knobs["HOME"] = str(to.parent.parent / "home")
    Path(stack.knobs["HOME"]).mkdir()
    model = prepare_model(base.models, silent)
    shutil.copytree(model.directory, to / "models" / model.publisher / model.directory.name)
    assert stack.user
    for path in (to, *to.rglob("*"), Path(stack.knobs["HOME"])):
        os.chown(path, stack.user.uid, stack.user.gid)


def belongs_to_the_user(stack: OwnStack) -> None:
    """Assert that no file in the clone and no daemon is another's."""
    assert stack.user
    others = [str(path) for path in stack.clone.rglob("*") if path.lstat().st_uid != stack.user.uid]
    assert not others, others
    daemons = [pid for pid in stack.daemons().values() if pid]
    assert len(daemons) == 2
    for pid in daemons:
        process = psutil.Process(pid)
        assert set(process.uids()) == {stack.user.uid}, process.cmdline()
        assert set(process.gids()) == {stack.user.gid}, process.cmdline()


def test_a_plain_user_in_dockers_group(users: OwnStack) -> None:
    users.up()
    belongs_to_the_user(users)
    probe = users.run("probe")
    assert probe.code in GREEN, probe.all
    users.down("--volumes", "--yes")
    assert not users.containers()
    assert not users.processes()


def test_after_sudo_the_user_goes_on_alone(users: OwnStack) -> None:
    user = users.user
    assert user
    users.user = None  # root, as sudo makes it: it tells who asked
    users.up(SUDO_UID=str(user.uid), SUDO_GID=str(user.gid), HOME="/root")
    users.user = user
    belongs_to_the_user(users)
    probe = users.run("probe")
    assert probe.code in GREEN, probe.all
    users.up()
    users.down("--volumes", "--yes")
    assert not users.containers()
    assert not users.processes()
