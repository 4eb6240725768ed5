"""Where an engine answers nothing is touched; the plugins from Debian's newer packages leave apt and dpkg alone."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import psutil
import pytest
from docker import DockerClient

from stack.parts import plugins
from stack.parts.base_image import ensure_base_image
from stack.parts.engine import ensure_engine, stop_engine
from stack.parts.host_checks import bridge_addresses, check_ports, free_ports
from stack.settings import PORTS, Settings
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


def test_only_addresses_of_this_machine_are_bridge_addresses(settings: Settings, engine: DockerClient) -> None:
    """As a container is told by `host-gateway`, the kernel of this machine must know it."""
    local = {each.address for addresses in psutil.net_if_addrs().values() for each in addresses}
    image = ensure_base_image(settings, assume_yes=True, progress=silent, say=print)
    hosts = engine.containers.run(
        image, ["cat", "/etc/hosts"], extra_hosts={"the-host": "host-gateway"}, remove=True
    ).decode()
    told = re.findall(r"^(\S+)\s+the-host$", hosts, re.MULTILINE)
    assert bridge_addresses(engine) == [address for address in told if address in local and ":" not in address]


def test_port_of_a_container_is_told_by_its_name(settings: Settings, engine: DockerClient) -> None:
    """Docker's own process holds the port, which says nothing to the user."""
    port, *others = free_ports(len(PORTS))
    image = ensure_base_image(settings, assume_yes=True, progress=silent, say=print)
    holder = engine.containers.run(
        image, ["sleep", "60"], ports={"80/tcp": ("127.0.0.1", port)}, init=True, detach=True
    )
    knobs = [name for name in PORTS if name != "chainlit_port"]
    taken = settings.model_copy(update={"chainlit_port": port, **dict(zip(knobs, others, strict=True))})
    try:
        with pytest.raises(StackError, match=f"Port {port} .* the container `{holder.name}`"):
            check_ports(taken, engine)
        check_ports(taken, engine, our_ports={port})
    finally:
        holder.remove(force=True)


@pytest.mark.full
@pytest.mark.skipif(not apt.is_debian(), reason="the source of newer plugins is Debian's own archive")
def test_newer_debian_brings_the_programs_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "FOR_ALL", tmp_path)
    monkeypatch.setattr(plugins, "FOR_ME", tmp_path)
    before = fingerprint("/etc/apt", "/var/lib/dpkg", "/var/lib/apt/lists")
    plugins._from_newer_debian(["docker-compose"], silent)
    assert fingerprint("/etc/apt", "/var/lib/dpkg", "/var/lib/apt/lists") == before
    assert [path.name for path in tmp_path.iterdir()] == ["docker-compose"]
    told = run([str(tmp_path / "docker-compose"), "docker-cli-plugin-metadata"]).out
    version = json.loads(told)["Version"].partition("-")[0]
    assert tuple(int(part) for part in version.split(".")) >= plugins.MINIMUM_COMPOSE
