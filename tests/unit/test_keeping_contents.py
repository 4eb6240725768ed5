"""What a backup holds is what compose.yaml has, and it says what it does not hold."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from stack.parts.keeping.contents import CHAT, PROGRAMS, VOLUMES, left_out
from stack.settings import ROOT, load

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def mounts(service: str) -> dict[str, str]:
    """The service's volumes, by where it finds them."""
    return {each["target"]: each["source"] for each in COMPOSE["services"][service]["volumes"]}


def test_every_volume_is_in_it() -> None:
    assert set(VOLUMES) == set(COMPOSE["volumes"])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.service)
def test_a_volume_is_read_by_whose_it_is(program: Any) -> None:
    (volume,) = (each for each, user in VOLUMES.items() if user is program)
    assert mounts(program.service)["/data"] == volume


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.service)
def test_its_image_has_a_folder_that_its_user_may_write_to(program: Any) -> None:
    """On which an empty volume is laid, that then belongs to that user; see `make`."""
    dockerfile = (ROOT / "services" / program.service / "Dockerfile").read_text(encoding="utf-8")
    user = dockerfile.rsplit("\nUSER ", 1)[1].split(":")[0]
    assert f"install --directory --owner {user} --group {user} --mode 0700 /data" in dockerfile


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.service)
def test_its_package_is_one_that_its_image_has(program: Any) -> None:
    lock = (ROOT / "services" / program.service / "requirements.lock").read_text(encoding="utf-8")
    assert f"\n{program.package}==" in lock


def test_the_chats_tables_are_where_its_image_has_them() -> None:
    dockerfile = (ROOT / "services" / CHAT.service / "Dockerfile").read_text(encoding="utf-8")
    assert " chat /app/chat\n" in dockerfile
    folder = ROOT / "services" / CHAT.service / CHAT.tables.removeprefix("/app/")
    assert [file.name for file in folder.glob("v*.py")]


def test_nobody_but_init_writes_into_the_others() -> None:
    for volume, program in VOLUMES.items():
        writers = {
            name
            for name, service in COMPOSE["services"].items()
            for each in service.get("volumes", ())
            if isinstance(each, dict) and each["source"] == volume and not each.get("read_only")
        }
        assert writers == ({program.service} if program else set())


@pytest.mark.parametrize(
    ("url", "count"), [("sqlite:////data/chats.db", 0), ("postgresql://u:p@h/d", 1), ("postgresql+psycopg://h/d", 1)]
)
def test_chats_in_another_database_are_named_as_missing(url: str, count: int) -> None:
    found = left_out(load().model_copy(update={"chainlit_database_url": url}))
    assert len(found) == count
    assert not any("u:p" in each for each in found)
