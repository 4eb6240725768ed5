"""Open WebUI asks for no name and opens no connection but to the model server, from its very first start on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from docker.models.containers import Container

from fakes import sniffer
from fakes.spare_stack import NO_LABELS
from fakes.waiting import wait_until
from stack.settings import Settings

pytestmark = pytest.mark.full  # a first start of its own; the egress table is everyday's

Find = Callable[[str], Container]
READY_SECONDS = 180
MODEL_SERVER = "host.docker.internal"

# Signs in, lists the models and asks one of them, as a program would. Prints the answer.
USE = """
import json, sys, urllib.request
def call(path, body=None, token=None):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request("http://127.0.0.1:8080" + path, data, headers)
    return json.load(urllib.request.urlopen(request, timeout=60))
password = open("/run/secrets/admin-password").read()
token = call("/api/v1/auths/signin", {"email": "admin@localhost", "password": password})["token"]
call("/api/config"), call("/api/changelog"), call("/api/version", token=token)
model = call("/api/models", token=token)["data"][0]["id"]
question = [{"role": "user", "content": "What is the capital of France?"}]
answer = call("/api/chat/completions", {"model": model, "messages": question, "stream": False}, token)
print(answer["choices"][0]["message"]["content"])
"""


class Watched:
    """A new Open WebUI on an empty volume, and what was seen of it on its network."""

    def __init__(self, app: Container, watcher: Container) -> None:
        self.app = app
        self._watcher = watcher

    def run(self, *argv: str) -> str:
        """Run a program inside; its output."""
        code, output = self.app.exec_run(list(argv))
        assert code == 0, output
        return bytes(output).decode()

    def seen(self, kind: str) -> set[str]:
        """All there was of one kind: name, connect, datagram, ipv6."""
        lines = self._watcher.logs().decode().splitlines()
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return {event[kind] for event in events if kind in event}


@pytest.fixture(scope="module")
def watched(settings: Settings, engine: DockerClient, container: Find) -> Iterator[Watched]:
    running = container("open-webui")
    image = running.attrs["Image"]
    secrets = f"{settings.compose_project_name}_open-webui-secrets"
    common: dict[str, Any] = {"detach": True, "labels": NO_LABELS}
    watcher = app = None
    try:
        watcher = engine.containers.run(
            image,
            entrypoint=["python3", "-u", "-c", Path(sniffer.__file__).read_text(encoding="utf-8")],
            user="0:0",
            network=f"{settings.compose_project_name}_private",
            dns=["127.0.0.1"],
            **common,
        )
        wait_until(lambda: b"watching" in watcher.logs())
        app = engine.containers.run(
            image,
            network_mode=f"container:{watcher.id}",
            environment=[each for each in running.attrs["Config"]["Env"] if not each.startswith("PATH=")],
            volumes={secrets: {"bind": "/run/secrets", "mode": "ro"}},
            tmpfs={"/tmp": "uid=10003,gid=10003", "/data": "uid=10003,gid=10003"},
            read_only=True,
            **common,
        )
        healthy = ["/stack/healthcheck.sh"]
        wait_until(lambda: app.exec_run(healthy).exit_code == 0, READY_SECONDS)
        yield Watched(app, watcher)
    finally:
        for each in (app, watcher):
            if each:
                each.remove(force=True)


def test_it_asks_for_nobody_but_the_model_server(watched: Watched) -> None:
    assert "Paris" in watched.run("python3", "-c", USE)
    (gateway,) = set(watched.run("getent", "ahostsv4", MODEL_SERVER).split()) - {MODEL_SERVER, "STREAM", "DGRAM", "RAW"}
    assert watched.seen("name") == {MODEL_SERVER}
    elsewhere = {to for to in watched.seen("connect") if not to.startswith("127.")}
    assert elsewhere == {f"{gateway}:51211"}
    assert watched.seen("datagram") == set()
    assert watched.seen("ipv6") == set()


def test_the_watcher_would_have_seen_it(watched: Watched) -> None:
    name = f"{uuid.uuid4().hex}.example"
    code, _ = watched.app.exec_run(["timeout", "2", "getent", "hosts", name])
    assert code != 0
    wait_until(lambda: name in watched.seen("name"))
    knock = "import socket; socket.socket().connect_ex(('127.0.0.9', 9))"
    watched.run("python3", "-c", knock)
    wait_until(lambda: "127.0.0.9:9" in watched.seen("connect"))
