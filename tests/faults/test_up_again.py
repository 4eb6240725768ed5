"""`up` on what runs already, on a part of it, and after a reboot; `down` leaves nothing, whatever it finds."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from fakes import keepsakes, users_runtime
from fakes.open_webui import administrator
from fakes.waiting import wait_until
from faults.own_stack import OwnStack, listening
from stack.parts.host_checks import free_ports
from stack.parts.model import prepare as prepare_model
from stack.settings import PORTS, ROOT, Settings
from stack.tools.progress import silent

LONG_RUNNING = ("gateway", "chainlit", "open-webui", "webgpu-static")
DEAD_DOCKER = "unix:///nobody/listens/here.sock"


def as_it_is(stack: OwnStack) -> dict[str, object]:
    """All that a second `up` must leave alone. `init` runs once more each time, in the same container."""
    found = stack.containers()
    return {
        "containers": {name: each.id for name, each in found.items()},
        "since": {name: found[name].attrs["State"]["StartedAt"] for name in LONG_RUNNING},
        "daemons": stack.daemons(),
        "token": (stack.state / "relay-token").read_text(),
        "networks": sorted(stack.networks()),
        "volumes": sorted(stack.volumes()),
    }


def page_answers(port: int) -> bool:
    try:
        return "<title>" in httpx.get(f"http://127.0.0.1:{port}/", timeout=10).text
    except httpx.HTTPError:
        return False


def nothing_is_left(stack: OwnStack, opened: set[int]) -> None:
    """Assert that no container, network, process or port of the stack is there any more."""
    assert not stack.containers()
    assert not stack.networks()
    assert not stack.processes()
    assert opened > {getattr(stack.settings, name) for name in PORTS}
    wait_until(lambda: not opened & set(listening()))


@pytest.mark.timeout(300)
@pytest.mark.full
def test_a_second_up_changes_nothing_and_down_leaves_nothing(stack: OwnStack) -> None:
    """One story, because each `up` from nothing takes its time."""
    stack.up()
    first, opened = as_it_is(stack), stack.ports()
    stack.up()
    assert as_it_is(stack) == first

    wrong = stack.run("up", "--yes", MODEL="no-such-model", CATALOG_URL="http://127.0.0.1:9/asset-gallery/v1.0/models")
    assert wrong.code == 1, wrong.all
    assert as_it_is(stack) == first

    stack.down()
    nothing_is_left(stack, opened)
    assert sorted(stack.volumes()) == first["volumes"] != []
    stack.down()

    refused = stack.run("down", "--volumes")
    assert refused.code == 2, refused.all
    assert "--yes" in refused.err
    assert sorted(stack.volumes()) == first["volumes"]
    stack.down("--volumes", "--yes")
    assert not stack.volumes()
    assert not (stack.state / "relay-token").exists()


@pytest.mark.full
@pytest.mark.timeout(600)
def test_what_people_leave_survives_other_settings_a_reboot_and_down(stack: OwnStack) -> None:
    stack.up()
    first = as_it_is(stack)
    keepsakes.leave(stack.settings)
    left = keepsakes.find(stack.settings)

    (other_port,) = free_ports(1)
    stack.up(CHAINLIT_PORT=str(other_port))
    assert page_answers(other_port)
    assert not page_answers(stack.settings.chainlit_port)
    assert stack.daemons() == first["daemons"]

    reboot(stack)
    stack.up()
    assert page_answers(stack.settings.chainlit_port)
    assert (stack.state / "relay-token").read_text() == first["token"]
    assert keepsakes.find(stack.settings) == left

    stack.down()
    stack.up(API_KEY="changed")
    assert (stack.state / "relay-token").read_text() == first["token"]
    assert keepsakes.find(stack.settings) == left
    assert administrator(stack.settings).call("GET", "/openai/config")["OPENAI_API_KEYS"] == ["changed"]


def reboot(stack: OwnStack) -> None:
    """What is left after one: containers that are stopped, files that tell of processes that are gone."""
    for pid in stack.daemons().values():
        assert pid
        process = psutil.Process(pid)
        process.kill()
        process.wait(timeout=20)
    for each in stack.containers().values():
        each.stop(timeout=2)


@pytest.mark.full
@pytest.mark.timeout(300)
def test_down_on_half_a_stack_and_without_an_engine(stack: OwnStack) -> None:
    stack.up()
    opened = stack.ports()
    stack.containers()["chainlit"].remove(force=True)
    foundry = psutil.Process(stack.daemons()["foundry"])
    foundry.kill()
    foundry.wait(timeout=20)
    (stack.state / "relay.json").unlink()  # as if `up` had been killed before the relay wrote it
    assert stack.processes()

    unreachable = stack.run("down", DOCKER_HOST=DEAD_DOCKER)
    assert unreachable.code == 2, unreachable.all
    assert "The relay and the stack's Foundry Local are stopped" in unreachable.err
    assert not stack.processes()
    assert set(stack.containers()) == {"gateway", "init", "monitor", "open-webui", "webgpu-static"}

    stack.down()
    nothing_is_left(stack, opened)


@pytest.fixture
def users_own(settings: Settings, tmp_path: Path, stack: OwnStack) -> Iterator[str]:
    """The address of a Foundry Local that the user runs himself."""
    folder = tmp_path / "users"
    folder.mkdir()
    model = prepare_model(settings.models, silent)
    runtime = stack.start_program(
        sys.executable,
        str(Path(users_runtime.__file__)),
        str(folder),
        "0",
        str(model.directory),
        PYTHONPATH=os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "tests")]),
        COMPOSE_PROJECT_NAME="the-users",
    )
    wait_until((folder / "url").exists, seconds=60)
    yield (folder / "url").read_text()
    runtime.tell(signal.SIGTERM)
    assert runtime.end().code == 0


@pytest.mark.full
@pytest.mark.timeout(300)
def test_down_leaves_the_users_foundry_alone(stack: OwnStack, users_own: str) -> None:
    stack.up(FOUNDRY_URL=users_own)
    assert httpx.get(f"{users_own}/models/loaded").json()
    before = {each.pid for each in psutil.process_iter() if listens(each, urlsplit(users_own).port)}
    stack.down()
    assert before
    assert {each.pid for each in psutil.process_iter() if listens(each, urlsplit(users_own).port)} == before
    assert httpx.get(f"{users_own}/models/loaded").json()
    assert not stack.containers()
    assert not stack.processes()


def listens(process: psutil.Process, port: int | None) -> bool:
    try:
        return any(
            each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in process.net_connections("tcp")
        )
    except psutil.Error:
        return False
