"""Breaks one link of the running stack at a time, really, and mends it again."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
from docker import DockerClient
from docker.models.containers import Container

from fakes.waiting import wait_until
from stack.parts import foundry
from stack.parts.containers import of_project
from stack.parts.relay import lifecycle as relay
from stack.parts.state import read_json, write_text
from stack.settings import ROOT, Settings
from stack.tools.process import run
from stack.tools.progress import silent


class Links:
    """The running stack's links."""

    def __init__(self, settings: Settings, engine: DockerClient) -> None:
        self.settings = settings
        self.engine = engine

    def container(self, service: str) -> Container:
        """The service's container as it is now."""
        (found,) = of_project(self.settings, self.engine, service)
        return found

    @contextmanager
    def stopped(self, service: str) -> Iterator[None]:
        """The container is stopped."""
        self.container(service).stop(timeout=2)
        try:
            yield
        finally:
            self.container(service).start()

    @contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """The container is paused."""
        self.container(service).pause()
        try:
            yield
        finally:
            if self.container(service).status == "paused":
                self.container(service).unpause()

    @contextmanager
    def frozen(self, service: str) -> Iterator[None]:
        """The container runs, but none of its processes does anything."""
        rows = self.container(service).top(ps_args="-o pid")["Processes"]
        with frozen([int(row[0]) for row in rows]):
            yield

    @contextmanager
    def off_the_private_network(self, service: str) -> Iterator[None]:
        """The container has left the network that the front ends are on."""
        network = self.engine.networks.get(f"{self.settings.compose_project_name}_private")
        container = self.container(service)
        mine = container.attrs["NetworkSettings"]["Networks"][network.name]
        aliases = [alias for alias in mine["Aliases"] if alias != container.short_id]
        network.disconnect(container)
        try:
            yield
        finally:
            network.connect(container, aliases=aliases)

    def move(self, service: str) -> None:
        """The container leaves the private network and comes back with another address; nobody has the old one."""
        network = self.engine.networks.get(f"{self.settings.compose_project_name}_private")
        before = self._address_on(network.name, service)
        another = self.engine.containers.create(self.container("webgpu-static").image, network=network.name)
        try:
            with self.off_the_private_network(service):
                another.start()  # it and the service each get the lowest address that is free
                another.reload()
                if another.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"] != before:
                    another.stop(timeout=0)
        finally:
            another.remove(force=True)
        assert self._address_on(network.name, service) != before

    @contextmanager
    def firewall_in(self, service: str, *rule: str) -> Iterator[None]:
        """A rule in the container's own packet filter; needs root."""
        inside = ["nsenter", "--net", "--target", str(self.container(service).attrs["State"]["Pid"]), "iptables"]
        assert run([*inside, "-A", *rule]).code == 0
        try:
            yield
        finally:
            run([*inside, "-D", *rule])

    @contextmanager
    def file_is(self, service: str, name: str, content: bytes | None) -> Iterator[None]:
        """Files of the container's, whose root is read-only, have another content; needs root.

        Args:
            name: all that have it, as find knows names.
            content: None: nobody can read them.
        """
        process = str(self.container(service).attrs["State"]["Pid"])
        inside = ["nsenter", "--mount", "--pid", "--target", process]  # mount and umount read /proc/self
        found = run([*inside, "find", "/", "-xdev", "-path", name]).out.split()
        assert found
        other = "/tmp/another"
        written = run(
            [*inside, "sh", "-c", f"base64 -d >{other}; chmod {'000' if content is None else '444'} {other}"],
            stdin=b64encode(content or b"").decode(),
        )
        assert written.code == 0, written.err
        with ExitStack() as undo:
            for file in found:
                laid = run([*inside, "mount", "--bind", other, file])
                assert laid.code == 0, laid.err
                undo.callback(run, [*inside, "umount", "--lazy", file])  # it may still be on its way to somebody
            yield

    @contextmanager
    def demo_served_with(self, *replaced: tuple[str, str]) -> Iterator[None]:
        """The nginx of the demo reads a configuration in which each first text stands as the second; needs root."""
        text = (ROOT / "services" / "webgpu-static" / "nginx.conf").read_text(encoding="utf-8")
        for old, new in replaced:
            assert old in text
            text = text.replace(old, new)
        try:
            with self.file_is("webgpu-static", "/etc/nginx/nginx.conf", text.encode()):
                self.read_configuration_anew("webgpu-static")
                yield
        finally:
            self.read_configuration_anew("webgpu-static")

    def read_configuration_anew(self, service: str) -> None:
        """Have its nginx do so, and wait until it has; one that was restarted since has done so already."""
        container = self.container(service)
        master = container.exec_run(["cat", "/tmp/nginx.pid"]).output.decode().strip()
        workers = container.exec_run(["sh", "-c", f"cat /proc/{master}/task/*/children"]).output.split()
        assert container.exec_run(["sh", "-c", f"kill -HUP {master}"]).exit_code == 0
        still = " || ".join(f"test -e /proc/{worker.decode()}" for worker in workers)
        wait_until(lambda: container.exec_run(["sh", "-c", still]).exit_code != 0)

    @contextmanager
    def open_webui_token_is(self, token: str | None) -> Iterator[None]:
        """The probe remembers another token of Open WebUI's, or none; a probe must have run before."""
        with changed(self._token_file, json.dumps({"token": token})):
            yield

    @property
    def open_webui_token(self) -> str | None:
        """The one that the probe remembers."""
        return (read_json(self._token_file) or {}).get("token")

    @property
    def _token_file(self) -> Path:
        return self.settings.state / "open-webui-token.json"

    @contextmanager
    def firewall_on_host(self, *rule: str) -> Iterator[None]:
        """A rule before all others in the host's packet filter; needs root."""
        assert run(["iptables", "-I", *rule]).code == 0
        try:
            yield
        finally:
            run(["iptables", "-D", *rule])

    @contextmanager
    def relay_stopped(self) -> Iterator[None]:
        """The relay's process is gone."""
        running = self._relay()
        relay.stop(self.settings)
        try:
            yield
        finally:
            relay.start(self.settings, running.listen, self.settings.state / "relay-token")

    @contextmanager
    def relay_frozen(self) -> Iterator[None]:
        """The relay's process is there and does nothing."""
        with frozen([self._relay().pid]):
            yield

    @contextmanager
    def relay_on_loopback_only(self) -> Iterator[None]:
        """The relay does not listen where the gateway looks for it."""
        running, token = self._relay(), self.settings.state / "relay-token"
        relay.start(self.settings, [f"127.0.0.1:{self.settings.foundry_port}"], token)
        try:
            yield
        finally:
            relay.start(self.settings, running.listen, token)

    @contextmanager
    def port_taken_by(self, another: type[BaseHTTPRequestHandler] | None) -> Iterator[None]:
        """In the relay's place listens another program: an HTTP server, or one that never says anything."""
        with ExitStack() as both:
            both.enter_context(self.relay_stopped())
            address = ("127.0.0.1", self.settings.foundry_port)
            if another is None:
                both.enter_context(socket.create_server(address))
            else:
                server = ThreadingHTTPServer(address, another)
                both.callback(server.server_close)
                threading.Thread(target=server.serve_forever, daemon=True).start()
                both.callback(server.shutdown)
            yield

    @contextmanager
    def token_changed(self) -> Iterator[None]:
        """The relay wants another token than the gateway brings."""
        with changed(self.settings.state / "relay-token", "another-token-than-the-gateway-has-0123456789\n"):
            yield

    @contextmanager
    def foundry_is(self, url: str) -> Iterator[None]:
        """The relay leads to another address."""
        with changed(self.settings.state / "foundry.json", f'{{"url": "{url}", "owned": false}}\n'):
            yield

    @contextmanager
    def foundry_stopped(self) -> Iterator[None]:
        """The Foundry Local that `up` started is gone."""
        assert foundry.stop(self.settings)
        try:
            yield
        finally:
            foundry.ensure(self.settings, silent, lambda _: None)

    @contextmanager
    def foundry_crashed(self) -> Iterator[None]:
        """The same, but nobody has taken note of it."""
        process = psutil.Process(int(self.foundry["pid"]))
        process.kill()
        wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)  # until `up` ends, too
        try:
            yield
        finally:
            foundry.ensure(self.settings, silent, lambda _: None)

    @contextmanager
    def foundry_frozen(self) -> Iterator[None]:
        """Foundry Local's process is there and does nothing."""
        with frozen([int(self.foundry["pid"])]):
            yield

    @contextmanager
    def model_unloaded(self) -> Iterator[None]:
        """Foundry Local knows its models, and none is loaded."""
        url, alias = self.foundry["url"], self.foundry["alias"]
        httpx.get(f"{url}/models/unload/{alias}", timeout=60).raise_for_status()
        assert httpx.get(f"{url}/models/loaded", timeout=30).json() == []
        try:
            yield
        finally:
            httpx.get(f"{url}/models/load/{alias}", timeout=120).raise_for_status()

    @property
    def foundry(self) -> dict[str, str]:
        """What is written down about Foundry Local."""
        found = read_json(self.settings.state / "foundry.json")
        assert found
        return found

    def _address_on(self, network: str, service: str) -> str:
        return str(self.container(service).attrs["NetworkSettings"]["Networks"][network]["IPAddress"])

    def _relay(self) -> relay.Relay:
        running = relay.status(self.settings)
        assert running
        return running


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """The processes are stopped in their tracks."""
    _tell(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _tell(pids, signal.SIGCONT)


def _tell(pids: list[int], what: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # a health check of just then
            os.kill(pid, what)


@contextmanager
def changed(file: Path, text: str) -> Iterator[None]:
    """The file holds another text."""
    before = file.read_text(encoding="utf-8")
    write_text(file, text)
    try:
        yield
    finally:
        write_text(file, before)


class AnotherProgram(BaseHTTPRequestHandler):
    """A web server like any other: 200 to everything."""

    def do_GET(self) -> None:
        page = b"<!doctype html><title>Welcome</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class calls it so)
        """Be quiet."""
