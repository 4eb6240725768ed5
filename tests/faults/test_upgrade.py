"""The rehearsal: from a real older Open WebUI and Chainlit, with data, to today's; and to one that breaks, and back."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes import keepsakes
from fakes.open_webui import administrator
from fakes.waiting import wait_until
from faults.other_clones import broken, older
from faults.own_clone import Clone, open_folder
from faults.own_stack import GREEN, Ended, OwnStack, Run, own_stack
from stack.parts import containers, versions, way_back
from stack.settings import ROOT, Settings, load
from stack.tools.docker_engine import client

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]
BUILD_SECONDS = 900.0
OLD = {"open-webui": "0.11.4", "chainlit": "2.11.1"}
NOW = {pin.part: pin.version for pin in versions.pinned(load()) if pin.part == pin.name}
NOTE = b"The ferry leaves at nine."


@dataclass
class Rehearsal:
    """A stack with people's data in it, as older versions have left it."""

    stack: OwnStack
    older: Clone
    folder: Path
    document: str
    kept: dict[str, Any]

    def start(self, clone: Path, python: str, script: str, *arguments: str) -> Run:
        self.stack.clone, self.stack.python = clone, python
        return self.stack.start(script, *arguments)

    def run(self, clone: Path, python: str, script: str, *arguments: str) -> Ended:
        return self.start(clone, python, script, *arguments).end(BUILD_SECONDS)

    def runs(self) -> dict[str, str]:
        """The versions in the containers."""
        return {part: versions.in_use(self.stack.settings, self.stack.engine, part)[part] for part in versions.KEEPERS}

    def found(self) -> dict[str, Any]:
        """What people find again."""
        document = administrator(self.stack.settings).call("GET", f"/api/v1/files/{self.document}")
        return {**keepsakes.find(self.stack.settings), "document": document["data"]["content"]}

    def names_of_images(self) -> set[str]:
        """All names under which its images are, without the service."""
        engine, tag = self.stack.engine, self.stack.settings.image_tag
        tags = [name for image in engine.images.list() for name in image.tags]
        return {name.rpartition(":")[2] for name in tags if name.rpartition(":")[2].startswith(tag)}


@pytest.fixture(scope="module")
def rehearsal(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    engine, tag = client(), f"{settings.image_tag}-rehearsal"
    with (
        open_folder() as folder,
        own_stack(settings, engine, tmp_path_factory.mktemp("rehearsal"), image_tag=tag) as stack,
    ):
        try:
            clone = older(folder / "older")
            rehearsal = Rehearsal(stack, clone, folder, "", {})
            ended = rehearsal.run(clone.folder, clone.python, "up", "--yes")
            assert ended.code in GREEN, ended.all
            assert rehearsal.runs() == OLD
            keepsakes.leave(stack.settings)
            rehearsal.document = administrator(stack.settings).upload("note.md", NOTE)["id"]
            rehearsal.kept = rehearsal.found()
            yield rehearsal
        finally:
            stack.clear_away()
            for suffix in ("", f"-{way_back.NEW}", f"-{way_back.BEFORE}"):
                containers.remove_images(stack.settings.model_copy(update={"image_tag": tag + suffix}), engine)


def test_another_clone_s_up_changes_no_version_but_tells(rehearsal: Rehearsal) -> None:
    ended = rehearsal.run(ROOT, rehearsal.older.python, "up", "--yes")
    assert ended.code in GREEN, ended.all
    assert all(f"{part} {NOW[part]} ({OLD[part]} now)" in ended.out for part in OLD)
    assert "upgrade.py" in ended.out
    assert rehearsal.runs() == OLD


def test_check_tells_what_would_change_and_changes_nothing(rehearsal: Rehearsal) -> None:
    ended = rehearsal.run(ROOT, rehearsal.older.python, "upgrade", "--check")
    assert ended.code == 3, ended.all
    lines = [line.split() for line in ended.out.splitlines()]
    assert all([part, part, OLD[part], NOW[part], f"services/{part}/requirements.in"] in lines for part in OLD)
    assert rehearsal.runs() == OLD
    same = rehearsal.run(rehearsal.older.folder, rehearsal.older.python, "upgrade", "--check")
    assert (same.code, "Nothing to upgrade" in same.out) == (0, True), same.all


def test_a_migration_that_breaks_ends_where_it_began(rehearsal: Rehearsal) -> None:
    """Open WebUI's own migrations have gone through by then; the chat's has destroyed the chats before it broke."""
    clone = broken(rehearsal.folder / "broken")
    ended = rehearsal.run(clone.folder, clone.python, "upgrade", "--yes")
    assert ended.code == 1, ended.all
    assert "is back on what it was before, with all its data, and answers" in ended.err
    log = rehearsal.stack.state / "upgrade-failed.log"
    assert "this migration is broken" in log.read_text(encoding="utf-8")
    assert rehearsal.runs() == OLD
    assert rehearsal.found() == rehearsal.kept
    probe = rehearsal.run(ROOT, rehearsal.older.python, "probe", "--json")
    assert json.loads(probe.out)["status"] != "failed", probe.out
    assert rehearsal.names_of_images() == {rehearsal.stack.settings.image_tag}
    rehearsal.stack.nothing_half_done()


def test_one_that_is_killed_in_the_middle_is_gone_back_from(rehearsal: Rehearsal) -> None:
    running = rehearsal.start(ROOT, rehearsal.older.python, "upgrade", "--yes")
    running.until("Exchanging the images: done", BUILD_SECONDS)
    running.tell(signal.SIGKILL, group=True)
    assert running.end().code == -signal.SIGKILL
    daemons = set(rehearsal.stack.daemons().values())
    wait_until(lambda: set(rehearsal.stack.processes()) <= daemons, seconds=200)  # what it had started ends by itself
    refused = rehearsal.run(ROOT, rehearsal.older.python, "up", "--yes")
    assert (refused.code, "An upgrade was interrupted" in refused.err) == (2, True), refused.all


def test_todays_versions_run_with_all_that_was_there(rehearsal: Rehearsal) -> None:
    """After the one that was killed: it goes back first."""
    ended = rehearsal.run(ROOT, rehearsal.older.python, "upgrade", "--yes")
    assert ended.code in GREEN, ended.all
    assert "The last upgrade was interrupted" in ended.out
    assert all(f"{part}: {part} {OLD[part]} is now {NOW[part]}." in ended.out for part in OLD)
    assert rehearsal.runs() == NOW
    assert missing(rehearsal.kept, rehearsal.found()) == []
    assert rehearsal.names_of_images() == {rehearsal.stack.settings.image_tag}
    rehearsal.stack.nothing_half_done()
    nothing = rehearsal.run(ROOT, rehearsal.older.python, "upgrade", "--check")
    assert (nothing.code, "Nothing to upgrade" in nothing.out) == (0, True), nothing.all


def missing(then: Any, now: Any, where: str = "") -> list[str]:
    """What of that is not there, or is another thing; a newer Open WebUI adds fields to chats and to messages."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [each for key in then for each in missing(then[key], now.get(key), f"{where}/{key}")]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [each for number, old in enumerate(then) for each in missing(old, now[number], f"{where}/{number}")]
    return [] if then == now else [f"{where}: {then!r} is {now!r}"]
