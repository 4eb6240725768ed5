"""The whole way with a witness at its end: the stack's own images, the real relay, and a stand-in for Foundry Local.

The rate limits and the chat's line are lifted, so that what is sent is judged for what it is, not for how much it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from docker import DockerClient
from docker.models.containers import Container

from fakes import bombard
from fakes.bombard import Answered, Shot
from fakes.foundry import MODEL, FakeFoundry, Received, _json
from fakes.relay_process import RelayProcess, free_port, running_relay
from fakes.spare_stack import free_page_ports, idle_front_end
from stack.parts import state
from stack.parts.containers import CLOUD_OVERLAY, of_project
from stack.settings import ROOT, Settings
from stack.tools.docker_engine import compose
from stack.tools.process import run

NO_LIMIT = 100_000  # requests per second
DOOR = ("host.docker.internal", 51211)
SECONDS = 20.0

# Written down a second time on purpose: a mistake in the relay's own list must not make the witness blind.
MAY_ARRIVE = {
    "GET": re.compile(r"/v1/models|/models/loaded|/status|/v1/models/[A-Za-z0-9][\w.:-]*", re.ASCII),
    "POST": re.compile(r"/v1/chat/completions|/v1/responses|/v1/embeddings"),
    "DELETE": re.compile(r"/v1/responses/[A-Za-z0-9][\w-]*", re.ASCII),
}


class Witness(FakeFoundry):
    """Foundry Local's stand-in that takes any body, and notes what it can't read as a request."""

    def __init__(self) -> None:
        super().__init__()
        self.strange: list[str] = []
        self.loaded = [MODEL]
        self.too_long = False
        """Every conversation is more than the model takes."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.__aenter__(), self._loop).result(SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.__aexit__(), self._loop).result(SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)

    def forbidden(self, since: int = 0) -> list[str]:
        """What arrived and never should have."""
        calls = ((each.method, each.target) for each in self.requests[since:])
        never = re.compile(r"(?!)")
        return [f"{method} {target}" for method, target in calls if not MAY_ARRIVE.get(method, never).fullmatch(target)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await super()._serve(reader, writer)
        except Exception as unread:
            self.strange.append(repr(unread))
            writer.close()

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        if received.target == "/v1/chat/completions" and not _is_object(received):
            error = {"message": "Failed to parse the request", "type": "invalid_request_error"}
            writer.write(_json({"error": error}, "400 Bad Request"))
            return True
        if received.method == "POST" and self.too_long:
            error = {"message": "This model's maximum context length is 10 tokens.", "type": "invalid_request_error"}
            writer.write(_json({"error": error}, "400 Bad Request"))
            return True
        if received.target == "/models/loaded" and self.habit == "answers":
            writer.write(_json(self.loaded))
            return True
        return await super()._answer(received, writer)


def _is_object(received: Received) -> bool:
    try:
        return isinstance(received.json, dict) and isinstance(received.json.get("stream_options") or {}, dict)
    except (ValueError, RecursionError):
        return False


@dataclass
class WholeWay:
    """What runs, and how to ask it."""

    settings: Settings
    engine: DockerClient
    relay: RelayProcess
    foundry: Witness
    front_end: str
    services: Sequence[str]

    def service(self, name: str) -> Container:
        """The container of that service."""
        (found,) = of_project(self.settings, self.engine, name)
        found.reload()
        return found

    def restart_with(self, name: str, **knobs: object) -> None:
        """Have the service's container made anew, with other knobs."""
        self.settings = self.settings.model_copy(update=knobs)
        up = [*_overlay(self.settings), "up", "--detach", "--wait", "--wait-timeout", "240", "--no-build", "--no-deps"]
        done = compose([*up, name], project=ROOT, env=self.settings.as_environment)
        assert done.code == 0, done.out + done.err

    def commands(self, name: str) -> list[str]:
        """The command lines of the processes that run in that service's container."""
        listed = self.service(name).top()
        return [row[listed["Titles"].index("CMD")] for row in listed["Processes"]]

    def lives(self) -> dict[str, Any]:
        """What changes when one of them dies and comes back: of each container its start and its restarts."""
        found = {name: self.service(name).attrs for name in self.services}
        seen = {name: (each["State"]["StartedAt"], each["RestartCount"]) for name, each in found.items()}
        return {**seen, "relay": (self.relay.pid, state.is_alive(self.relay.pid, self.relay.started))}

    def send(self, shots: list[Shot]) -> list[Answered]:
        """Send requests from the host."""
        return asyncio.run(bombard.send_all(shots))

    def send_inside(self, shots: list[Shot]) -> list[Answered]:
        """Send requests from where a front end is."""
        source = Path(bombard.__file__).read_text(encoding="utf-8")
        argv = ["docker", "exec", "--interactive", self.front_end, "/opt/venv/bin/python", "-c", source]
        done = run(argv, stdin=bombard.packed(shots), timeout=300)
        assert done.code == 0, done.err
        return bombard.unpacked(done.out)

    def logs(self) -> dict[str, str]:
        """What every container, and the relay, has logged."""
        found = {name: self.service(name).logs().decode(errors="replace") for name in self.services}
        return {**found, "relay": (self.relay.folder / "relay.log").read_text(encoding="utf-8", errors="replace")}


def _overlay(settings: Settings) -> list[str]:
    return ["--file", "compose.yaml", "--file", CLOUD_OVERLAY] if settings.cloud else []


@contextlib.contextmanager
def whole_way(
    settings: Settings,
    engine: DockerClient,
    bridge: str,
    services: Sequence[str],
    *,
    folder: Path,
    name: str,
    **knobs: object,
) -> Iterator[WholeWay]:
    """Bring it up from the images that ``settings`` name, and take everything of it away again.

    Args:
        knobs: of this stack; with a ``cloud_url`` the way there is open, as `up` opens it.
    """
    mine = settings.model_copy(
        update={
            **free_page_ports(),
            "compose_project_name": f"{settings.compose_project_name}-{name}",
            "foundry_port": free_port(bridge),
            "gateway_rate": NO_LIMIT,
            "answers_at_once": NO_LIMIT,
            "monitor_interval": 86400,
            "open_webui_extras": "false",
            "model": "auto",
            **knobs,
        }
    )
    project = mine.compose_project_name
    door = f"{bridge}:{mine.foundry_port}"
    with Witness() as foundry:
        options = ["--rate", str(NO_LIMIT), "--listen", door] if bridge != "127.0.0.1" else ["--rate", str(NO_LIMIT)]
        with running_relay(folder, *options, port=mine.foundry_port) as relay:
            relay.lead_to(foundry.url)
            try:
                up = [*_overlay(mine), "up", "--detach", "--wait", "--wait-timeout", "240", "--no-build", *services]
                started = compose(up, project=ROOT, env=mine.as_environment)
                assert started.code == 0, started.out + started.err
                token = run(["docker", "exec", f"{project}-gateway-1", "cat", "/run/secrets/token"]).out
                state.write_text(relay.token_file, token)
                if mine.cloud:
                    own = run(["docker", "exec", f"{project}-gateway-1", "cat", "/run/secrets/cloud-token"]).out
                    relay.open_cloud(mine.cloud_url, token=own)
                with idle_front_end(mine, engine) as front_end:
                    yield WholeWay(mine, engine, relay, foundry, front_end, services)
            finally:
                compose(["down", "--volumes", "--timeout", "1"], project=ROOT, env=mine.as_environment)
