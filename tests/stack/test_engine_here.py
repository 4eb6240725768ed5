"""Where an engine answers nothing is touched; the plugins from Debian's newer packages leave apt and dpkg alone."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import psutil
import pytest
from docker import DockerClient

from stack.parts import plugins
from stack.parts.engine import ensure_engine, stop_engine
from stack.parts.host_checks import bridge_addresses, check_ports, ports_of_containers
from stack.settings import Settings
from stack.tools import apt
from stack.tools.errors import StackError
from stack.tools.process import run
from stack.tools.progress import silent


def fingerprint(*folders: str) -> str:
    """Of every name, size and time below the folders."""
    files = sorted(path for folder in folders for path in Path(folder).rglob("*"))
    seen = (f"{path} {path.lstat().st_size} {path.lstat().st_mtime_ns}" for path in files)
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()


def test_a_running_engine_is_neither_touched_nor_stopped(engine: DockerClient) -> None:
    before = engine.info()["ID"]
    state = ensure_engine(assume_yes=False, progress=silent, say=print)
    assert (state.started_here, state.installed) == (False, ())
    stop_engine(state)
    assert (engine.ping(), engine.info()["ID"]) == (True, before)


def test_only_addresses_of_this_machine_are_bridge_addresses(engine: DockerClient) -> None:
    """As a container is told by `host-gateway`, the kernel of this machine must know it."""
    local = {each.address for addresses in psutil.net_if_addrs().values() for each in addresses}
    hosts = engine.containers.run(
        plugins_image(engine), ["cat", "/etc/hosts"], extra_hosts={"the-host": "host-gateway"}, remove=True
    ).decode()
    told = re.findall(r"^(\S+)\s+the-host$", hosts, re.MULTILINE)
    assert bridge_addresses(engine) == [address for address in told if address in local and ":" not in address]


def plugins_image(engine: DockerClient) -> str:
    """Any image of the running stack's: it is there."""
    return str(next(c.image.id for c in engine.containers.list() if c.image is not None))


def test_port_of_a_container_is_told_by_its_name(settings: Settings, engine: DockerClient) -> None:
    assert settings.chainlit_port in ports_of_containers(engine, settings.compose_project_name)
    with pytest.raises(StackError, match="the container `") as taken:
        check_ports(settings, engine, our_ports={settings.foundry_port})
    assert settings.compose_project_name in taken.value.message
    check_ports(settings, engine, our_ports={settings.chainlit_port, settings.foundry_port})


@pytest.mark.full
@pytest.mark.skipif(not apt.is_debian(), reason="the source of newer plugins is Debian's own archive")
def test_newer_debian_brings_the_programs_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "FOR_ALL", tmp_path)
    monkeypatch.setattr(plugins, "FOR_ME", tmp_path)
    before = fingerprint("/etc/apt", "/var/lib/dpkg", "/var/lib/apt/lists")
    plugins._from_newer_debian(["docker-compose"], silent)
    assert fingerprint("/etc/apt", "/var/lib/dpkg", "/var/lib/apt/lists") == before
    assert [path.name for path in tmp_path.iterdir()] == ["docker-compose"]
    version = run([str(tmp_path / "docker-compose"), "compose", "version", "--short"]).out
    assert tuple(int(part) for part in version.split("-")[0].split(".")) >= plugins.MINIMUM_COMPOSE
