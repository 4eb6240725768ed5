"""The folder with the backups: a name for each, the newest first, and the oldest go."""

from __future__ import annotations

import platform
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from fakes.backups import MADE, MANIFEST, on_disk, written
from stack.parts.keeping import drop_oldest, kept
from stack.parts.keeping.shelf import new_name

PROJECT = MANIFEST.project


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "here")


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_a_name_tells_project_and_moment(tmp_path: Path) -> None:
    assert new_name(tmp_path, MANIFEST, encrypted=False).name == "foundry-stack-here-20261127-131502.tar.zst"
    assert new_name(tmp_path, MANIFEST, encrypted=True).name == "foundry-stack-here-20261127-131502.encrypted.tar"


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("here", "here"),
        ("My-Laptop.local", "my.laptop.local"),
        ("büro pc", "b.ro.pc"),
        ("", "unnamed"),
        ("-", "unnamed"),
    ],
)
def test_a_name_tells_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: str, name: str) -> None:
    monkeypatch.setattr(platform, "node", lambda: node)
    file = new_name(tmp_path, MANIFEST, encrypted=False)
    assert file.name == f"foundry-stack-{name}-20261127-131502.tar.zst"
    file.touch()
    assert [each.machine for each in kept(tmp_path, PROJECT)] == [name]


def test_machines_that_share_a_folder_see_all_and_delete_their_own(tmp_path: Path) -> None:
    theirs, ours, newest = (
        f"{PROJECT}-{name}-000000.tar.zst" for name in ("there-20261120", "here-20261121", "here-20261122")
    )
    for each in (theirs, ours, newest):
        (tmp_path / each).touch()
    assert [each.file.name for each in kept(tmp_path, PROJECT)] == [newest, ours, theirs]
    assert [file.name for file in drop_oldest(tmp_path, PROJECT, keep=1)] == [ours]


def test_projects_and_machines_are_not_mixed_up(tmp_path: Path) -> None:
    (tmp_path / "foundry-stack-here-20261127-131502.tar.zst").touch()
    assert kept(tmp_path, "foundry") == []


def test_the_moment_is_the_same_everywhere(tmp_path: Path) -> None:
    """So that the night in which the clocks are put back does not make an old one the newest."""
    elsewhere = replace(MANIFEST, created_at=MADE.astimezone(timezone(timedelta(hours=-8))))
    assert new_name(tmp_path, elsewhere, encrypted=False) == new_name(tmp_path, MANIFEST, encrypted=False)


def test_none_is_written_over_another(tmp_path: Path) -> None:
    first = new_name(tmp_path, MANIFEST, encrypted=False)
    first.touch()
    second = new_name(tmp_path, MANIFEST, encrypted=True)
    second.touch()
    third = new_name(tmp_path, MANIFEST, encrypted=False)
    assert [each.name[28:34] for each in (first, second, third)] == ["131502", "131503", "131504"]


def test_they_are_shown_the_newest_first(tmp_path: Path) -> None:
    on_disk(tmp_path, written(), f"{PROJECT}-here-20261127-131502.tar.zst")
    on_disk(tmp_path, b"key.age...", f"{PROJECT}-here-20261128-000000.encrypted.tar")
    on_disk(tmp_path, written()[:50], f"{PROJECT}-here-20261126-000000.tar.zst")
    newest, middle, oldest = kept(tmp_path, PROJECT)
    assert (newest.encrypted, newest.manifest) == (True, None)
    assert (middle.encrypted, middle.manifest, middle.made_at) == (False, MANIFEST, MADE)
    assert (oldest.encrypted, oldest.manifest, oldest.size) == (False, None, 50)
    assert oldest.made_at == datetime(2026, 11, 26, tzinfo=UTC)


def test_one_that_is_another_users_is_shown_and_goes_like_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = (on_disk(tmp_path, written(), f"{PROJECT}-here-2026112{day}-000000.tar.zst") for day in (1, 2))
    real = Path.open

    def open_(file: Path, *arguments: Any) -> Any:
        if file == older:
            raise PermissionError(13, "Permission denied")
        return real(file, *arguments)

    monkeypatch.setattr(Path, "open", open_)
    assert [(each.file, each.encrypted, each.manifest is None) for each in kept(tmp_path, PROJECT)] == [
        (newer, False, False),
        (older, False, True),
    ]
    assert drop_oldest(tmp_path, PROJECT, keep=1) == [older]


def test_where_there_is_no_folder_there_are_none(tmp_path: Path) -> None:
    assert kept(tmp_path / "none", PROJECT) == []


def test_the_oldest_go_and_nothing_else(tmp_path: Path) -> None:
    mine = [
        f"{PROJECT}-here-2026112{day}-000000{ending}" for day, ending in enumerate([".tar.zst", ".encrypted.tar"] * 2)
    ]
    others = [
        f"{PROJECT}-test-here-20261101-000000.tar.zst",
        f"other-{PROJECT}-here-20261101-000000.tar.zst",
        f"{PROJECT}-here-20261101-000000.tar.zst.old",
        f"copy of {PROJECT}-here-20261101-000000.tar.zst",
        f"{PROJECT}-here-20269999-000000.tar.zst",
        f"{PROJECT}-here-2026.tar.zst",
        "20261101-000000.tar.zst",
        "holiday.jpg",
    ]
    for name in (*mine, *others):
        (tmp_path / name).touch()
    assert [file.name for file in drop_oldest(tmp_path, PROJECT, keep=3)] == mine[:1]
    assert names(tmp_path) == {*mine[1:], *others}
    assert {file.name for file in drop_oldest(tmp_path, PROJECT, keep=1)} == set(mine[1:3])
    assert names(tmp_path) == {mine[3], *others}
    assert drop_oldest(tmp_path, PROJECT, keep=1) == []


def test_one_that_is_needed_stays(tmp_path: Path) -> None:
    oldest, middle, newest = (tmp_path / f"{PROJECT}-here-2026112{day}-000000.tar.zst" for day in range(3))
    for each in (oldest, middle, newest):
        each.touch()
    assert drop_oldest(tmp_path, PROJECT, keep=1, needed=oldest) == [middle]
    assert names(tmp_path) == {oldest.name, newest.name}
