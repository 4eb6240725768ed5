"""A second, small stack beside the real one, that tests may ill-treat: its gateway, and a stand-in for the relay."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docker import DockerClient
from docker.models.containers import Container

from fakes.relay_on_bridge import RelayOnBridge
from stack.parts.containers import PROJECT_LABEL, SERVICE_LABEL, of_project
from stack.parts.host_checks import free_ports
from stack.settings import PORTS, ROOT, Settings
from stack.tools.docker_engine import compose
from stack.tools.process import Finished, Line, run, stream

# Sends each given byte string on a connection of its own and prints what comes back until the other side closes.
SEND_RAW = """
import base64, json, socket, sys
answers = []
for raw in json.load(sys.stdin):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=15) as connection:
        received = b""
        try:
            connection.sendall(base64.b64decode(raw))
            while chunk := connection.recv(65536):
                received += chunk
        except OSError as error:
            received += f"{type(error).__name__}".encode()
        answers.append(base64.b64encode(received).decode())
print(json.dumps(answers))
"""

# Images carry the labels of the project that built them; a container run from one must not pass for the stack's.
NO_LABELS = {PROJECT_LABEL: "", SERVICE_LABEL: ""}


@dataclass
class Answer:
    """An HTTP answer as it came over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        """Every value of the header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    @property
    def code(self) -> str:
        """The code in an OpenAI-shaped error of ours."""
        error = json.loads(self.body)["error"]
        assert error["type"] == "stack_error"
        assert error["message"]
        return str(error["code"])


def parse(raw: bytes) -> Answer:
    """Read the answer up to the connection's end; chunked bodies stay as they are."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    assert separator, f"no answer but {raw!r}"
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Answer(int(first.split()[1]), [(name, value.strip()) for name, _, value in pairs], body)


@dataclass
class Spare:
    """A second, small stack: at first only its gateway, with a stand-in where the relay would be."""

    settings: Settings
    engine: DockerClient
    relay: RelayOnBridge
    started: Finished
    page: str
    front_end: str

    def compose(self, *arguments: str) -> Finished:
        """Run `docker compose` on it."""
        return compose(arguments, project=ROOT, env=self.settings.as_environment)

    def service(self, name: str) -> Container:
        """Its container of that service."""
        (found,) = of_project(self.settings, self.engine, name)
        found.reload()
        return found

    def token(self) -> str:
        """What `init` made, as the gateway reads it."""
        done = run(["docker", "exec", self.service("gateway").name, "cat", "/run/secrets/token"])
        assert done.code == 0, done.err
        return done.out

    def send(self, *raws: bytes) -> list[Answer]:
        """Send these bytes to port 51211 from where a front end would, each on a connection of its own."""
        return [parse(answer) for answer in self.send_bytes(*raws)]

    def send_bytes(self, *raws: bytes) -> list[bytes]:
        """The same, for what is answered with less than a whole HTTP answer."""
        given = json.dumps([base64.b64encode(raw).decode() for raw in raws])
        done = self.python(SEND_RAW, "host.docker.internal", "51211", stdin=given)
        assert done.code == 0, done.err
        return [base64.b64decode(answer) for answer in json.loads(done.out)]

    def python(self, program: str, *arguments: str, stdin: str = "", on_line: Line | None = None) -> Finished:
        """Run a Python program in a container on the private network."""
        argv = ["docker", "exec", "--interactive", self.front_end, "/opt/venv/bin/python", "-u", "-c", program]
        if on_line:
            return stream([*argv, *arguments], on_line)
        return run([*argv, *arguments], stdin=stdin, timeout=120)


@contextlib.contextmanager
def running_spare(settings: Settings, engine: DockerClient, bridge: str) -> Iterator[Spare]:
    """Bring the spare gateway up from the images that ``settings`` name, and take everything of it away again.

    Args:
        bridge: the host's address on Docker's own bridge, where the stand-in for the relay listens.
    """
    with RelayOnBridge(bridge) as relay:
        changed = {
            "compose_project_name": f"{settings.compose_project_name}-spare",
            "foundry_port": relay.port,
            **free_page_ports(),
        }
        mine = settings.model_copy(update=changed)
        up = ["up", "--detach", "--wait", "--wait-timeout", "120", "--no-build", "gateway"]
        try:
            started = compose(up, project=ROOT, env=mine.as_environment)
            with idle_front_end(mine, engine) as front_end:
                yield Spare(mine, engine, relay, started, f"http://127.0.0.1:{mine.chainlit_port}", front_end)
        finally:
            compose(["down", "--volumes", "--remove-orphans"], project=ROOT, env=mine.as_environment)


@contextlib.contextmanager
def idle_front_end(settings: Settings, engine: DockerClient) -> Iterator[str]:
    """A container on the stack's private network that does nothing by itself; yields its name."""
    container = engine.containers.run(
        f"localhost/foundry-stack/chainlit:{settings.image_tag}",
        entrypoint=["sleep", "infinity"],
        init=True,
        detach=True,
        name=f"{settings.compose_project_name}-front-end",
        labels=NO_LABELS,
        network=f"{settings.compose_project_name}_private",
    )
    try:
        yield str(container.name)
    finally:
        container.remove(force=True)


def free_page_ports() -> dict[str, int]:
    """A free port for each page."""
    pages = [name for name in PORTS if name != "foundry_port"]
    return dict(zip(pages, free_ports(len(pages)), strict=True))


def json_lines(log: str) -> list[dict[str, Any]]:
    """The lines of a log that are JSON objects."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]
