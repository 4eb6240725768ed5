"""Development mode without a stack: what the overlay adds, which files it refuses, and how a container shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stack.parts.development import OVERLAY, SOURCES, check_sources_are_readable, sources_of
from stack.settings import ROOT
from stack.tools.errors import StackError

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / OVERLAY).read_text(encoding="utf-8"))["services"]


def test_the_overlay_adds_folders_to_read_and_loosens_nothing() -> None:
    assert set(SERVICES) == {"chainlit", "webgpu-static", "monitor"}
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount["source"].removeprefix("./") for mount in mounts} == set(SOURCES)
    for mount in mounts:
        assert (mount["type"], mount["read_only"]) == ("bind", True)
        assert mount["bind"] == {"create_host_path": False}, "a missing folder must not be made, by root at that"
        assert (ROOT / mount["source"]).is_dir(), "a file that an editor replaces is not seen again"
    for service in SERVICES.values():
        assert set(service) <= {"environment", "volumes", "entrypoint"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for folder in SOURCES:
        (tmp_path / folder / "below").mkdir(parents=True)
        (tmp_path / folder / "below" / "file").touch(0o644)
    return tmp_path


def test_files_of_anybody_s_will_do(clone: Path) -> None:
    check_sources_are_readable(clone)


def test_an_editor_s_own_files_may_be_private(clone: Path) -> None:
    (clone / SOURCES[0] / ".app.py.swp").touch(0o600)
    check_sources_are_readable(clone)


@pytest.mark.parametrize("folder", SOURCES)
@pytest.mark.parametrize(("name", "mode"), [("below/file", 0o640), ("below", 0o750), ("below", 0o754), (".", 0o700)])
def test_what_only_its_owner_may_read_is_named(clone: Path, folder: str, name: str, mode: int) -> None:
    private = clone / folder / name
    private.chmod(mode)
    with pytest.raises(StackError) as refused:
        check_sources_are_readable(clone)
    assert (refused.value.cause, refused.value.exit_code) == ("sources-not-readable", 2)
    assert str(private) in refused.value.message


def test_a_container_shows_what_it_runs_from() -> None:
    volume = {"Type": "volume", "Source": "/var/lib/docker/x", "Destination": "/sources"}
    config = {"Type": "bind", "Source": "/clone/development", "Destination": "/etc/nginx/development"}
    page = {"Type": "bind", "Source": "/clone/page", "Destination": "/sources"}
    assert sources_of({"Mounts": [volume, config]}) is None
    assert sources_of({}) is None
    assert sources_of({"Mounts": [config, page]}) == Path("/clone/page")
