"""Ports, disk and memory are looked at before anything is changed, and the message names the way out."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import requests
from docker import DockerClient

from stack.parts import containers, host_checks
from stack.parts.disk import MB, SLACK
from stack.parts.host_checks import check_cpus, check_disk, check_memory, check_ports, free_ports
from stack.settings import PORTS, Settings
from stack.tools.errors import StackError

LISTEN = (
    "import socket, sys; s = socket.create_server((sys.argv[1], 0)); print(s.getsockname()[1], flush=True); s.accept()"
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path, **dict(zip(PORTS, free_ports(len(PORTS)), strict=True)))  # type: ignore[arg-type]


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"])  # noqa: S104  (for a moment, and nothing answers there)
def stranger(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """Pid and port of another program that listens: on loopback, or on every address."""
    program = subprocess.Popen([sys.executable, "-c", LISTEN, request.param], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    yield program.pid, int(program.stdout.readline())
    program.kill()
    program.wait()


def test_free_ports_pass(settings: Settings) -> None:
    check_ports(settings)


@pytest.mark.parametrize("knob", PORTS)
def test_taken_port_is_told_with_its_holder_and_the_knob(
    settings: Settings, stranger: tuple[int, int], knob: str
) -> None:
    pid, port = stranger
    taken = settings.model_copy(update={knob: port})
    with pytest.raises(StackError, match=rf"Port {port} \({knob.upper()}\) .*python.*\(pid {pid}, user ") as refused:
        check_ports(taken)
    assert refused.value.cause == "port-taken"
    assert f"{knob.upper()}=" in refused.value.fix


def test_what_is_ours_is_not_taken(settings: Settings, stranger: tuple[int, int]) -> None:
    pid, port = stranger
    ours = settings.model_copy(update={"foundry_port": port})
    check_ports(ours, our_pids={pid})
    check_ports(ours, our_ports={port})
    with pytest.raises(StackError):
        check_ports(ours, our_pids={pid + 1}, our_ports={port + 1})


def test_connection_closed_a_moment_ago_is_no_listener(settings: Settings) -> None:
    """The side that closes first keeps the port in TIME_WAIT for a minute; a listener can be there all the same."""
    with socket.create_server(("127.0.0.1", settings.foundry_port)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    check_ports(settings)


def test_relay_address_that_is_taken_counts_too(settings: Settings) -> None:
    with socket.create_server(("127.0.0.2", settings.foundry_port)):
        check_ports(settings, our_pids={0})
        with pytest.raises(StackError, match="FOUNDRY_PORT"):
            check_ports(settings, foundry_addresses=["127.0.0.1", "127.0.0.2"])


def test_free_ports_are_all_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_full_disk_is_told_before(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    check_disk(settings, None, first_time=True)
    monkeypatch.setattr(host_checks, "MODEL_DISK", 10**18)
    with pytest.raises(StackError) as full:
        check_disk(settings, None, first_time=True)
    assert full.value.cause == "disk-full"
    assert str(settings.state) in full.value.message
    check_disk(settings, None, first_time=False)


def test_an_upgrade_wants_room_for_images_and_twice_the_data(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project, data = settings.compose_project_name, 700 * MB
    sizes = {f"{project}_chainlit-data": data - 1, f"{project}_secrets": 1, f"{project}_new": -1, "another_data": data}
    volumes = [{"Name": name, "UsageData": {"Size": size}} for name, size in sizes.items()]
    engine = SimpleNamespace(df=lambda: {"Volumes": volumes}, info=lambda: {"DockerRootDir": str(tmp_path)})
    settings = settings.model_copy(update={"backup_dir": tmp_path / "backups"})
    enough = host_checks.IMAGES_DISK + 2 * data + SLACK
    for free in (enough, enough - 1):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        with pytest.raises(StackError, match="the upgrade needs") if free < enough else nullcontext():
            host_checks.check_disk_for_upgrade(settings, cast(DockerClient, engine))


def test_an_engine_that_does_not_say_how_large_the_data_is_stops_no_upgrade(settings: Settings) -> None:
    def too_slow() -> None:
        raise requests.exceptions.ReadTimeout

    assert containers.size_of_volumes(settings, cast(DockerClient, SimpleNamespace(df=too_slow))) == 0


def test_one_disk_for_both_must_hold_both(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    free = shutil.disk_usage(settings.state.parent).free
    monkeypatch.setattr(host_checks, "DOCKER_ROOT", settings.state.parent)
    monkeypatch.setattr(host_checks, "MODEL_DISK", int(free * 0.6))
    monkeypatch.setattr(host_checks, "IMAGES_DISK", int(free * 0.6))
    with pytest.raises(StackError, match="Too little room"):
        check_disk(settings, None, first_time=True)


class EngineWith:
    """All that is asked of the engine; the real one has as many CPUs as the machine that the test runs on."""

    def __init__(self, cpus: int) -> None:
        self.cpus = cpus

    def info(self) -> dict[str, int]:
        return {"NCPU": self.cpus}


@pytest.mark.parametrize("knob", [name for name in Settings.model_fields if name.endswith("_cpus")])
def test_more_cpus_than_the_engine_has_are_refused(settings: Settings, knob: str) -> None:
    wanting = settings.model_copy(update={knob: 1.5})
    check_cpus(wanting, cast(DockerClient, EngineWith(2)))
    with pytest.raises(StackError, match=rf"^{knob.upper()}=1\.5 .* has 1 CPU\.") as refused:
        check_cpus(wanting, cast(DockerClient, EngineWith(1)))
    assert (refused.value.cause, refused.value.exit_code) == ("too-many-cpus", 2)
    assert f"{knob.upper()}=1 " in refused.value.fix


def test_one_cpu_is_enough_for_the_defaults(settings: Settings) -> None:
    check_cpus(settings, cast(DockerClient, EngineWith(1)))


def test_little_memory_is_told_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_checks, "MEMORY", 10**18)
    with pytest.raises(StackError) as low:
        check_memory()
    assert low.value.cause == "memory-low"
