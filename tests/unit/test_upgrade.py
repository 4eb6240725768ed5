"""What `upgrade` does in which order, and that whatever goes wrong ends with what was there before."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest
from docker import DockerClient

from fakes.bundles import make_bundle
from fakes.engine_of_images import EngineOfImages
from stack.commands import up, upgrade
from stack.parts import containers, host_checks, keeping, versions, way_back
from stack.parts.bundle import images
from stack.parts.containers import BUILT, image_of
from stack.parts.versions import KEEPERS, Pin
from stack.probes import Check, Layer, Report, Status
from stack.reports.stages import Stages
from stack.settings import Settings
from stack.tools.bundle_file import IMAGES, BundleFile
from stack.tools.errors import StackError


class Stack:
    """A stack of old versions that runs; what is done to it is written down in `done`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = EngineOfImages(settings)
        self.engine.names = {image_of(settings, service): "old" for service in BUILT}
        self.engine.start()
        self.data = "old"
        self.done: list[str] = []
        self.new = "new"
        self.works: Callable[[str], bool] = lambda image: True
        self.fails: dict[str, BaseException] = {}
        self.starting: list[list[str]] = []
        self.room: Callable[[], None] = lambda: None
        self.readers: set[str] = set()  # of the backup
        self.seen: set[str] = set()  # the services that would have started in their new version after it

    def do(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise self.fails.pop(what)

    @property
    def runs(self) -> set[str]:
        return set(self.engine.made_of.values())

    def build(self, settings: Settings, engine: Any, stages: Stages, *, assume_yes: bool, carried: Any) -> None:
        self.do("build")
        assert settings.image_tag != self.settings.image_tag, "what runs must keep its names"
        self.engine.names |= {image_of(settings, service): self.new for service in BUILT}

    def start_host(self, ground: Any, stages: Stages) -> None:
        self.do("host")
        assert containers.image_in_use(self.settings, cast(DockerClient, self.engine), "init"), "it has the secrets"

    def stop(self, settings: Settings) -> None:
        self.do("stop")

    def back_up(self, settings: Settings, stages: Stages, folder: Path) -> Path:
        self.do("backup")
        engine = cast(DockerClient, self.engine)
        self.readers = {str(containers.image_in_use(settings, engine, each)) for each in BUILT}
        self.seen = {each for each in BUILT if containers.image_in_use(self.settings, engine, each) == "new"}
        file = folder / f"backup of {self.data} data"
        file.parent.mkdir(exist_ok=True)
        file.touch()
        return file

    def start_pages(self, ground: Any, stages: Stages) -> Report:
        self.engine.start()
        (image,) = self.runs
        self.do(f"start {image}")
        if self.data == "old" and image == "new":
            self.data = "new"  # its migrations
        return self.probe(ground.settings)

    def start(self, settings: Settings, progress: Any) -> None:
        self.engine.start()
        (image,) = self.runs
        self.do(f"start {image}")

    def probe(self, settings: Settings) -> Report:
        (image,) = self.runs
        well = self.works(image) and self.data == image
        status, cause = (Status.OK, None) if well else (Status.FAILED, "x")
        return Report([Check("answer", Layer.ANSWER, "chainlit", status, 0.0, cause, None, "")])

    def remove(self, settings: Settings, progress: Any, *, volumes: bool) -> None:
        self.do("remove")
        assert not volumes
        self.engine.made_of = {}

    def restore(self, settings: Settings, client: DockerClient, file: Path, progress: Any, *, replace: bool) -> None:
        self.do("restore")
        assert not self.runs
        self.data = "old"

    def upgrade(self, carried: BundleFile | None = None) -> Report:
        return upgrade._upgrade(self.settings, Stages(), assume_yes=True, carried=carried)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stack:
    settings = Settings(state_dir=tmp_path, backup_dir=tmp_path / "backups")  # type: ignore[call-arg]
    stack = Stack(settings)

    def prepare(settings: Settings, stages: Stages, *, assume_yes: bool, carried: Any) -> up.Ground:
        return up.Ground(settings, cast(DockerClient, stack.engine), [])

    monkeypatch.setattr(upgrade, "prepare", prepare)
    monkeypatch.setattr(upgrade, "start_host", stack.start_host)
    monkeypatch.setattr(upgrade, "start_pages", stack.start_pages)
    monkeypatch.setattr(upgrade, "show_report", lambda report: None)
    monkeypatch.setattr(upgrade, "GREEN_SECONDS", 0.1)
    monkeypatch.setattr(upgrade.probes, "run", stack.probe)
    monkeypatch.setattr(containers, "has_volume", lambda settings, client, volume: True)
    monkeypatch.setattr(containers, "last_words", lambda settings: "its last words")
    monkeypatch.setattr(versions, "_inside", lambda settings, client, part, image: {"is": image})
    monkeypatch.setattr(versions, "pinned", lambda settings: [Pin(part, "is", stack.new, "") for part in KEEPERS])
    monkeypatch.setattr(upgrade, "make_images", stack.build)
    monkeypatch.setattr(upgrade, "back_up", stack.back_up)
    monkeypatch.setattr(keeping, "restore", stack.restore)
    monkeypatch.setattr(upgrade, "MIGRATION_SECONDS", 30.0)
    monkeypatch.setattr(containers, "still_starting", lambda *_: stack.starting.pop(0) if stack.starting else [])
    monkeypatch.setattr(host_checks, "check_disk_for_upgrade", lambda settings, client: stack.room())
    for name in ("stop", "start", "remove"):
        monkeypatch.setattr(containers, name, getattr(stack, name))
    return stack


def is_as_before(stack: Stack) -> None:
    assert (stack.runs, stack.data) == ({"old"}, "old")
    assert set(stack.engine.names.values()) == {"old"}
    assert way_back.pending(stack.settings) is None


def test_the_new_versions_run_with_the_data_and_the_old_images_go(stack: Stack) -> None:
    assert stack.upgrade().exit_code == 0
    assert stack.done == ["build", "host", "stop", "backup", "start new"]
    assert (stack.settings.backups / "backup of old data").exists()
    assert (stack.readers, stack.seen) == ({"old"}, set())
    assert (stack.runs, stack.data) == ({"new"}, "new")
    assert set(stack.engine.names.values()) == {"new"}
    assert way_back.pending(stack.settings) is None


def test_nobody_is_stopped_where_nothing_is_new(stack: Stack) -> None:
    stack.new = "old"
    assert stack.upgrade().exit_code == 0
    assert stack.done == ["build", "host", "start old"]
    is_as_before(stack)


def test_new_versions_that_do_not_answer_are_taken_back_with_the_data(stack: Stack) -> None:
    stack.works = lambda image: image == "old"
    with pytest.raises(StackError, match=r"upgrade failed: answer: x\. The stack is back .* and answers\.") as failed:
        stack.upgrade()
    assert (failed.value.cause, failed.value.exit_code) == ("upgrade-failed", 1)
    assert stack.done[-5:] == ["start new", "remove", "restore", "host", "start old"]
    assert (stack.settings.state / upgrade.LOG).read_text() == "its last words"
    is_as_before(stack)


def test_new_containers_that_do_not_start_are_taken_back_with_the_data(stack: Stack) -> None:
    stack.fails["start new"] = not_all_up()
    with pytest.raises(StackError, match="The containers did not all come up"):
        stack.upgrade()
    is_as_before(stack)


def not_all_up() -> StackError:
    return StackError("The containers did not all come up:\nlong", fix="", cause="containers-failed")


def test_a_migration_that_takes_longer_than_a_start_is_waited_for(stack: Stack) -> None:
    stack.fails["start new"] = not_all_up()
    stack.starting = [["open-webui"], ["open-webui"], []]
    assert stack.upgrade().exit_code == 0
    assert stack.done[-3:] == ["backup", "start new", "start new"]
    assert (stack.runs, stack.starting) == ({"new"}, [])


def test_a_migration_that_never_ends_is_gone_back_from(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "MIGRATION_SECONDS", 0.1)
    monkeypatch.setattr(containers, "still_starting", lambda *_: ["open-webui"])
    stack.fails["start new"] = not_all_up()
    with pytest.raises(StackError, match="upgrade failed: open-webui: not up yet"):
        stack.upgrade()
    is_as_before(stack)


def test_a_build_that_fails_stops_nobody(stack: Stack) -> None:
    stack.fails["build"] = StackError("An image could not be built.", fix="", cause="image-build-failed")
    with pytest.raises(StackError, match="could not be built"):
        stack.upgrade()
    assert stack.done == ["build"]
    is_as_before(stack)


def test_a_disk_that_is_full_at_the_end_is_no_reason_to_stay(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(upgrade, "write_text", no_room)
    stack.works = lambda image: image == "old"
    with pytest.raises(StackError, match="is back on what it was before"):
        stack.upgrade()
    is_as_before(stack)


def test_a_disk_that_would_be_full_is_told_before_anything_is_built(stack: Stack) -> None:
    def no_room() -> None:
        raise StackError("Too little room", fix="", cause="disk-full")

    stack.room = no_room
    with pytest.raises(StackError, match="Too little room"):
        stack.upgrade()
    assert stack.done == []


@pytest.mark.parametrize("step", ["stop", "backup"])
def test_without_a_backup_what_was_there_starts_again(stack: Stack, step: str) -> None:
    stack.fails[step] = StackError("No room.", fix="", cause="disk-full")
    with pytest.raises(StackError, match="No room"):
        stack.upgrade()
    assert stack.done[-1] == "start old"
    assert (stack.runs, stack.data) == ({"old"}, "old")


def test_an_interrupt_leads_back_too(stack: Stack) -> None:
    stack.fails["start new"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        stack.upgrade()
    is_as_before(stack)


@pytest.mark.parametrize("fails", [None, StackError("It is damaged.", fix="", cause="x"), OSError("no room")])
def test_one_that_was_killed_is_taken_back_before_it_is_tried_again(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Exception | None
) -> None:
    """What people have said since goes into a backup, where one can be made."""
    stack.build(way_back.new(stack.settings), stack.engine, Stages(), assume_yes=True, carried=None)
    way_back.cross(stack.settings, cast(DockerClient, stack.engine), stack.back_up(stack.settings, Stages(), tmp_path))
    stack.engine.start()
    stack.data = "half"
    stack.done.clear()
    if fails:
        stack.fails["backup"] = fails
    assert stack.upgrade().exit_code == 0
    back = ["stop", "backup", "remove", "restore", "host", "start old"]
    assert stack.done == [*back, "build", "host", "stop", "backup", "start new"]
    kept = stack.settings.backups / "backup of half data"
    assert (str(kept) in "".join(capsys.readouterr().out.split("\n"))) == (fails is None)


@pytest.mark.parametrize("fails", ["backup", "exchange", None])
def test_what_starts_as_before_is_what_ran_whatever_has_its_name(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, fails: str | None
) -> None:
    """As where somebody runs `docker compose build` meanwhile."""
    stack.engine.names = {image_of(stack.settings, service): "another" for service in BUILT}
    if fails == "backup":
        stack.fails["backup"] = ZeroDivisionError()
    elif fails == "exchange":
        monkeypatch.setattr(way_back, "cross", lambda *_: 1 / 0)
    else:
        stack.new = "old"
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        stack.upgrade()
    assert stack.done[-1] == "start old"


@pytest.fixture
def on_postgresql(stack: Stack) -> Stack:
    stack.settings = stack.settings.model_copy(update={"chainlit_database_url": "postgresql://db/chat"})
    return stack


def test_tables_in_postgresql_change_only_once_they_are_backed_up(
    on_postgresql: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = on_postgresql
    assert stack.upgrade().exit_code == 0, "its tables stay"
    stack.engine.names = {image_of(stack.settings, service): "old" for service in BUILT}
    stack.engine.start()
    stack.done.clear()
    monkeypatch.setattr(versions, "pinned", lambda settings: [Pin("chainlit", versions.TABLES, "v0002", "")])
    with pytest.raises(StackError, match="pg_dump") as refused:
        stack.upgrade()
    assert (refused.value.cause, stack.done) == ("database-not-backed-up", [])
    assert "--database-is-backed-up" in refused.value.fix
    stack.data = "old"
    upgrade._upgrade(stack.settings, Stages(), assume_yes=True, has_dump=True)
    assert stack.runs == {"new"}


def test_chats_in_postgresql_are_not_said_to_be_back(on_postgresql: Stack) -> None:
    on_postgresql.works = lambda image: image == "old"
    with pytest.raises(StackError, match=r"with all its data, but for the chat's users and chats: .* PostgreSQL"):
        on_postgresql.upgrade()


@pytest.fixture
def pruned(stack: Stack) -> Stack:
    """As after `down` and `docker system prune -a`."""
    versions.note(stack.settings, cast(DockerClient, stack.engine))
    stack.engine.made_of, stack.engine.names = {}, {}
    return stack


def test_where_the_old_images_are_gone_the_new_ones_make_the_backup(pruned: Stack) -> None:
    assert pruned.upgrade().exit_code == 0
    assert pruned.done == ["build", "host", "stop", "backup", "start new"]
    assert pruned.readers == {"new"}
    assert not pruned.seen & set(KEEPERS), "nothing may start on data of which there is no backup yet"
    assert (pruned.runs, pruned.data) == ({"new"}, "new")
    pruned.engine.made_of, pruned.engine.names = {}, {}
    assert versions.changes_for_data(pruned.settings, cast(DockerClient, pruned.engine)) == [], "noted anew"


@pytest.mark.parametrize("step", ["backup", "start new"])
def test_where_the_old_images_are_gone_the_data_at_least_go_back(pruned: Stack, step: str) -> None:
    pruned.fails[step] = StackError("It does not work.", fix="", cause="x")
    with pytest.raises(StackError):
        pruned.upgrade()
    assert (pruned.runs, pruned.data) == (set(), "old")
    assert not {image_of(pruned.settings, each) for each in KEEPERS} & set(pruned.engine.names)
    assert pruned.upgrade().exit_code == 0, "and it can be tried again"


@pytest.fixture
def built_by_hand(stack: Stack) -> Stack:
    """As after `docker compose build` and `down`."""
    versions.note(stack.settings, cast(DockerClient, stack.engine))
    stack.engine.made_of = {}
    stack.engine.names = {image_of(stack.settings, service): "new" for service in BUILT}
    return stack


def test_new_images_that_somebody_has_built_already_are_no_way_back(built_by_hand: Stack) -> None:
    built_by_hand.fails["start new"] = StackError("It does not work.", fix="", cause="x")
    with pytest.raises(StackError):
        built_by_hand.upgrade()
    assert (built_by_hand.runs, built_by_hand.data) == (set(), "old")
    assert not {image_of(built_by_hand.settings, each) for each in KEEPERS} & set(built_by_hand.engine.names)


def test_new_images_that_somebody_has_built_already_start_only_after_a_backup(built_by_hand: Stack) -> None:
    built_by_hand.fails["backup"] = StackError("No room.", fix="", cause="disk-full")
    with pytest.raises(StackError, match="No room"):
        built_by_hand.upgrade()
    assert (built_by_hand.runs, built_by_hand.data) == (set(), "old")


def test_new_images_that_somebody_has_built_already_are_brought_with_a_backup(built_by_hand: Stack) -> None:
    stack = built_by_hand
    assert stack.upgrade().exit_code == 0
    assert stack.done == ["build", "host", "stop", "backup", "start new"]


@pytest.fixture
def carried(stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BundleFile:
    """A bundle with the new images, written by a stack whose images had the very same names."""
    names = {each: image_of(images.named_for_a_bundle(stack.settings), each) for each in BUILT}
    layers = json.dumps(dict.fromkeys(names.values(), "new")).encode()
    monkeypatch.setattr(images, "client", lambda timeout: stack.engine)
    monkeypatch.setattr(upgrade, "make_images", up.make_images)
    return BundleFile(make_bundle(tmp_path, {IMAGES: layers}, images=names))


def test_what_a_bundle_brings_is_new_only_after_the_backup(stack: Stack, carried: BundleFile) -> None:
    assert stack.upgrade(carried).exit_code == 0
    assert stack.done == ["host", "stop", "backup", "start new"]
    assert (stack.runs, stack.data) == ({"new"}, "new")
    assert set(stack.engine.names) == {image_of(stack.settings, service) for service in BUILT}


def test_a_stack_that_is_down_is_upgraded_from_a_bundle_with_a_backup_too(stack: Stack, carried: BundleFile) -> None:
    stack.engine.made_of = {}
    assert stack.upgrade(carried).exit_code == 0
    assert stack.done == ["host", "stop", "backup", "start new"]
    assert (stack.readers, stack.seen) == ({"old"}, set())


def test_a_backup_that_fails_leaves_the_old_images_their_names(stack: Stack, carried: BundleFile) -> None:
    stack.engine.made_of = {}
    stack.fails["backup"] = StackError("No room.", fix="", cause="disk-full")
    with pytest.raises(StackError, match="No room"):
        stack.upgrade(carried)
    assert (stack.runs, stack.data) == ({"old"}, "old")


def test_check_names_an_upgrade_that_is_not_over_first(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whatever the versions are: they are half those of before, and half those of after."""
    engine = cast(DockerClient, stack.engine)
    monkeypatch.setattr(upgrade, "client", lambda: engine)
    stack.new = "old"
    assert upgrade._check(stack.settings) == 0
    assert "Nothing to upgrade: no version that this clone pins" in capsys.readouterr().out
    stack.build(way_back.new(stack.settings), engine, Stages(), assume_yes=True, carried=None)
    way_back.cross(stack.settings, engine, tmp_path)
    assert upgrade._check(stack.settings) == upgrade.WOULD_CHANGE
    assert "was interrupted in the middle" in capsys.readouterr().out


def test_without_data_there_is_nothing_to_upgrade(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "has_volume", lambda settings, client, volume: False)
    with pytest.raises(StackError) as refused:
        stack.upgrade()
    assert refused.value.cause == "nothing-to-upgrade"
    assert stack.done == []


def test_what_failed_is_told_with_whom_it_was() -> None:
    failed = StackError(
        "The containers did not all come up:\n a-1  Started\n container b-1 is unhealthy\n", fix="", cause="x"
    )
    assert upgrade._reason(failed) == "The containers did not all come up: container b-1 is unhealthy"
    assert upgrade._reason(StackError("No room.", fix="", cause="x")) == "No room"
