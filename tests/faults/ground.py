"""Breaks what the stack stands on, really, and mends it again: its containers, networks and volumes, and the engine."""

from __future__ import annotations

import os
import socket
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from docker.errors import APIError, NotFound

from fakes.waiting import wait_until
from faults.links import Links
from stack.settings import ROOT
from stack.tools.docker_engine import compose
from stack.tools.process import run

MODEL_SERVER = "host.docker.internal"


def state(it: Links, service: str) -> dict[str, Any]:
    """The engine's record of how the container is."""
    found: dict[str, Any] = it.container(service).attrs["State"]
    return found


def made_as(it: Links, service: str, *files: Path, env: dict[str, str] | None = None) -> None:
    """Have Compose make the service's container as these files, on top of compose.yaml, want it."""
    chosen = [argument for file in (ROOT / "compose.yaml", *files) for argument in ("--file", str(file))]
    arguments = [*chosen, "up", "--detach", "--no-deps", "--no-build", service]
    done = compose(arguments, project=ROOT, env={**it.settings.as_environment, **(env or {})})
    assert done.code == 0, done.out + done.err


def comes_up(it: Links, service: str) -> None:
    """Wait until the container says that it is healthy."""
    wait_until(lambda: state(it, service)["Health"]["Status"] == "healthy", seconds=180)


@contextmanager
def overridden(it: Links, service: str, override: str) -> Iterator[None]:
    """The container is made with something else in a compose file of the user's own."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "override.yaml"
        indented = textwrap.indent(textwrap.dedent(override).strip(), "    ")
        file.write_text(f"services:\n  {service}:\n{indented}\n", encoding="utf-8")
        try:
            made_as(it, service, file)
            yield
        finally:
            made_as(it, service)


@contextmanager
def gateway_configured_with(it: Links, line: str) -> Iterator[None]:
    """A file of its configuration, laid over the image's by a compose file of the user's, has this line."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "log.conf"
        file.write_text((ROOT / "services" / "gateway" / "conf.d" / "log.conf").read_text() + f"{line}\n")
        file.chmod(0o644)
        Path(folder).chmod(0o755)
        with overridden(it, "gateway", f"volumes: ['{file}:/etc/nginx/conf.d/log.conf:ro']"):
            yield


def restarts(it: Links, service: str, times: int = 2) -> None:
    """Wait until the engine has restarted the container so often."""
    wait_until(lambda: it.container(service).attrs["RestartCount"] >= times, seconds=30)


@contextmanager
def restarting(it: Links, service: str) -> Iterator[None]:
    """The container ends at once, again and again."""
    with overridden(it, service, "entrypoint: ['false']"):
        restarts(it, service)
        yield


@contextmanager
def removed(it: Links, service: str) -> Iterator[None]:
    """There is no such container."""
    it.container(service).remove(force=True)
    try:
        yield
    finally:
        made_as(it, service)


@contextmanager
def out_of_memory(it: Links, service: str, limit: str, *, started_again: bool) -> Iterator[None]:
    """The container may have less memory than it needs, so the kernel ends it."""
    container = it.container(service)
    host = container.attrs["HostConfig"]
    container.stop(timeout=2)  # the limit can't be set below what is used
    policy = "always" if started_again else "no"
    container.update(mem_limit=limit, memswap_limit=limit, restart_policy={"Name": policy})
    try:
        with suppress(APIError):  # it may end before the engine has seen it start
            container.start()
        if started_again:
            restarts(it, service, 3)
        else:
            wait_until(lambda: state(it, service)["Status"] == "exited", seconds=30)
        assert state(it, service)["OOMKilled"]
        yield
    finally:
        with suppress(NotFound):  # the fix makes another one
            container.stop(timeout=2)
            container.update(
                mem_limit=host["Memory"], memswap_limit=host["MemorySwap"], restart_policy=host["RestartPolicy"]
            )
            container.start()


@contextmanager
def child_out_of_memory(it: Links, service: str) -> Iterator[None]:
    """A process in the container took more memory than the container has; the service itself went on."""
    hungry = "x=$(head -c 2000000000 /dev/zero | tr '\\0' x)"
    assert it.container(service).exec_run(["bash", "-c", hungry]).exit_code == 137
    assert state(it, service)["Running"]
    try:
        yield
    finally:
        it.container(service).restart(timeout=2)


@contextmanager
def unhealthy(it: Links, service: str, port: int) -> Iterator[None]:
    """Its health check does not reach it, though others do."""
    with it.firewall_in(service, "INPUT", "-i", "lo", "-p", "tcp", "--dport", str(port), "-j", "REJECT"):
        wait_until(lambda: state(it, service)["Health"]["Status"] == "unhealthy", seconds=60)
        yield


@contextmanager
def still_starting(it: Links, service: str) -> Iterator[None]:
    """It was started a moment ago and stands still since."""
    it.container(service).restart(timeout=2)
    with it.frozen(service):
        yield


@contextmanager
def init_failed(it: Links) -> Iterator[None]:
    """A secret that it made is empty, and it was started again."""
    init = it.container("init")
    volume = next(each for each in init.attrs["Mounts"] if each["Destination"] == "/secrets/open-webui")
    secret = Path(volume["Source"]) / "secret-key"
    kept = secret.rename(secret.with_name(".kept"))
    try:
        secret.touch()
        init.start()
        assert init.wait(timeout=30)["StatusCode"] == 1
        yield
    finally:
        kept.rename(secret)
        init.start()
        init.wait(timeout=30)


@contextmanager
def image_renamed(it: Links, service: str) -> Iterator[None]:
    """The name of the container's image stands for another one by now, as after a build."""
    container = it.container(service)
    name, mine = container.attrs["Config"]["Image"], container.image
    assert mine
    other = it.container("init").image
    assert other
    assert other.tag(name)
    try:
        yield
    finally:
        assert mine.tag(name)


@contextmanager
def port_taken(it: Links, port: int) -> Iterator[None]:
    """The gateway was stopped, another program took a port of its, and it could not be started again."""
    it.container("gateway").stop(timeout=2)
    try:
        with socket.create_server(("127.0.0.1", port)):
            with pytest.raises(APIError, match="address already in use"):
                it.container("gateway").start()
            yield
    finally:
        it.container("gateway").start()


@contextmanager
def nobody_at_the_page(it: Links, port: int) -> Iterator[None]:
    """The engine's own program that listens on the page's port is gone."""
    (proxy,) = [
        each
        for each in psutil.process_iter(["name", "cmdline"])
        if each.info["name"] == "docker-proxy" and str(port) in each.info["cmdline"]
    ]
    proxy.kill()
    try:
        yield
    finally:
        it.container("gateway").restart(timeout=2)


@contextmanager
def hosts_say(it: Links, service: str, address: str) -> Iterator[None]:
    """The container's /etc/hosts has another address for the model server's name."""
    file = Path(it.container(service).attrs["HostsPath"])
    others = [line for line in file.read_text().splitlines() if MODEL_SERVER not in line]
    with changed_in_place(file, "\n".join([*others, f"{address}\t{MODEL_SERVER}", ""])):
        yield


@contextmanager
def gateway_led_to(it: Links, address: str) -> Iterator[None]:
    """The same in the gateway, which has read it."""
    gateway = it.container("gateway")
    try:
        with hosts_say(it, "gateway", address):
            gateway.kill("HUP")
            yield
    finally:
        it.container("gateway").restart(timeout=2)


@contextmanager
def changed_in_place(file: Path, text: str) -> Iterator[None]:
    """The file, which is mounted somewhere, holds another text."""
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        if file.exists():
            file.write_text(before)


@contextmanager
def another_of_that_name(it: Links) -> Iterator[None]:
    """Somebody's container is on the front ends' network, by the gateway's name there."""
    project = it.settings.compose_project_name
    image = it.container("chainlit").attrs["Config"]["Image"]
    name = f"{project}-somebody"
    where = ["--network", f"{project}_private", "--network-alias", MODEL_SERVER]
    argv = ["docker", "run", "--rm", "--detach", "--name", name, *where, "--entrypoint", "sleep", image, "600"]
    started = run(argv)
    assert started.code == 0, started.err
    try:
        yield
    finally:
        run(["docker", "rm", "--force", name])


@contextmanager
def gateway_without_its_name(it: Links) -> Iterator[None]:
    """The gateway was taken off the network and put back by hand, without the name that the front ends know."""
    network = it.engine.networks.get(f"{it.settings.compose_project_name}_private")
    aliases = it.container("gateway").attrs["NetworkSettings"]["Networks"][network.name]["Aliases"]
    network.disconnect(it.container("gateway"))
    network.connect(it.container("gateway"))
    try:
        yield
    finally:
        now = it.container("gateway")
        network.disconnect(now)
        network.connect(now, aliases=[each for each in aliases if each != now.short_id])


@contextmanager
def volume_read_only(it: Links) -> Iterator[None]:
    """Open WebUI's volume was made read-only while it was in use."""
    inside = _in_mounts_of(it, "open-webui")
    again = run([*inside, "sh", "-c", "mount --bind /data /data && mount -o remount,bind,ro /data"])
    assert again.code == 0, again.err
    try:
        yield
    finally:
        run([*inside, "umount", "--lazy", "/data"])


@contextmanager
def volume_of_another(it: Links, service: str) -> Iterator[None]:
    """What is in the page's volume belongs to somebody else, as after a restore by hand."""
    mounts = it.container(service).attrs["Mounts"]
    folder = Path(next(each["Source"] for each in mounts if each["Destination"] == "/data"))
    owner = folder.stat()
    everything = [folder, *folder.rglob("*")]
    for each in everything:
        os.lchown(each, 0, 0)
    folder.chmod(0o755)
    try:
        yield
    finally:
        folder.chmod(owner.st_mode)
        for each in [folder, *folder.rglob("*")]:
            os.lchown(each, owner.st_uid, owner.st_gid)


@contextmanager
def volume_full(it: Links) -> Iterator[None]:
    """Open WebUI's volume is a small disk with all that is its, and not a byte is free."""
    inside = _in_mounts_of(it, "open-webui")
    script = """set -e
        mount -t tmpfs -o size=64m tmpfs /mnt
        cp -a /data/. /mnt/
        chown 10003:10003 /mnt
        mount --bind /mnt /data
        head -c 100000000 /dev/zero >/data/rubbish 2>/dev/null || true
        chown 10003:10003 /data/rubbish"""
    try:
        filled = run([*inside, "sh", "-c", script])
        assert filled.code == 0, filled.err
        yield
    finally:
        run([*inside, "sh", "-c", "umount --lazy /data; umount --lazy /mnt"])
        it.container("open-webui").restart(timeout=5)


@contextmanager
def state_on_a_small_disk(it: Links) -> Iterator[None]:
    """The stack's state lies on a disk with little room."""
    folder = it.settings.state
    with TemporaryDirectory() as other, ExitStack() as undo:
        assert run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", other]).code == 0
        undo.callback(run, ["umount", "--lazy", other])
        assert run(["sh", "-c", f'cp -a "{folder}/." "{other}/"']).code == 0
        assert run(["mount", "--bind", other, str(folder)]).code == 0
        undo.callback(run, ["umount", "--lazy", str(folder)])
        yield


@contextmanager
def docker_config(**files: str) -> Iterator[Path]:
    """Docker's command finds these files in its user's folder instead of what is there; folders by ``__``."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        for path, text in files.items():
            file = folder / path.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(0o755)
        patch.setenv("DOCKER_CONFIG", name)
        yield folder


def _in_mounts_of(it: Links, service: str) -> list[str]:
    return ["nsenter", "--mount", "--pid", "--target", str(state(it, service)["Pid"])]
