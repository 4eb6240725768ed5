"""The running stack as one probe sees it: each thing is looked up once, however many questions need it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from docker import DockerClient
from docker.models.containers import Container

from stack.parts import containers, state
from stack.parts.relay import lifecycle as relay
from stack.probes import gateway_inside, inside
from stack.probes.crowd import Crowd
from stack.probes.first_answer import FirstAnswer
from stack.settings import Settings
from stack.tools import docker_engine

DOOR_INSIDE = 51211  # the gateway's, whatever FOUNDRY_PORT is
MODEL_SERVER_INSIDE = f"http://host.docker.internal:{DOOR_INSIDE}"  # as every front end knows it
ENGINE_SECONDS = 30.0

_PYTHON_INSIDE = "python3"
_SECRETS = "/run/secrets"


class Running:
    """What runs, and the ways to ask it.

    Args:
        http: for questions to addresses on this machine.
    """

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self.settings = settings
        self.http = http
        self.crowd = Crowd(http, lambda: self.door)
        self.first_answer = FirstAnswer()
        self._engine_lock = threading.Lock()
        self._token_file = settings.state / "open-webui-token.json"

    @property
    def door(self) -> str:
        """Where people and tools on the host reach Foundry Local; `host.docker.internal` leads the containers there."""
        return f"http://127.0.0.1:{self.settings.foundry_port}"

    @property
    def page(self) -> str:
        """The chat's address, as the browser knows it."""
        return f"http://127.0.0.1:{self.settings.chainlit_port}"

    @property
    def open_webui_page(self) -> str:
        """Open WebUI's address, as the browser knows it."""
        return f"http://127.0.0.1:{self.settings.open_webui_port}"

    @property
    def webgpu_page(self) -> str:
        """The WebGPU demo's address, as the browser knows it."""
        return f"http://127.0.0.1:{self.settings.webgpu_port}"

    @property
    def foundry_file(self) -> Mapping[str, Any]:
        """What was written down about Foundry Local: its address, and whether it is ours. Empty when nothing was."""
        return state.read_json(self.settings.state / "foundry.json") or {}

    @property
    def foundry_log(self) -> Path:
        """The log of a Foundry Local of ours."""
        return self.settings.state / "foundry.log"

    @property
    def relay(self) -> relay.Relay | None:
        """This project's relay process, if it lives."""
        return relay.status(self.settings)

    @property
    def open_webui_token(self) -> str | None:
        """With which the probe's account was signed in last; it may have become worthless since."""
        token = (state.read_json(self._token_file) or {}).get("token")
        return token if isinstance(token, str) and token.isascii() and token.isprintable() else None

    def keep_open_webui_token(self, token: str) -> None:
        """For the next probe; where this user may not write there, that one signs in again."""
        with suppress(OSError):
            state.write_json(self._token_file, {"token": token})

    async def engine(self) -> DockerClient:
        """The engine's client.

        Raises:
            StackError: ``engine-unreachable``, ``engine-not-permitted``.
        """
        return await asyncio.to_thread(self._engine)

    async def container(self, service: str) -> Container | None:
        """The service's container as it is now, ended ones included."""
        engine = await self.engine()
        found = await asyncio.to_thread(containers.of_project, self.settings, engine, service)
        return next(iter(found), None)

    def name_of(self, service: str) -> str:
        """The name that Compose gives the service's container."""
        return f"{self.settings.compose_project_name}-{service}-1"

    async def look_from(self, front_end: Container, path: str) -> dict[str, Any]:
        """What `inside.look` sees of the model server from inside the front end's container.

        Raises:
            LookupError: the container could not be asked; the text says why.
        """
        program = Path(inside.__file__).read_text(encoding="utf-8")
        argv = [_PYTHON_INSIDE, "-c", program, MODEL_SERVER_INSIDE + path]
        code, printed = await self.in_container(front_end, argv)
        if code != 0:
            raise LookupError(f"looking from inside ended with {code}: {printed[-200:]}")
        seen: dict[str, Any] = json.loads(printed)
        return seen

    async def knocks(self, gateway: Container, host: str, port: int) -> str:
        """How a TCP connection from inside the gateway's container turns out: open, refused, no-name or silent."""
        return gateway_inside.read_knock(*await self.in_container(gateway, gateway_inside.command_to_knock(host, port)))

    async def ask_gateway_itself(self, gateway: Container, address: str, path: str) -> dict[str, Any]:
        """What is seen of the gateway's door to Foundry Local from inside its own container, as by `look_from`."""
        argv = gateway_inside.command_to_ask(address, DOOR_INSIDE, path)
        return gateway_inside.read_answer(address, *await self.in_container(gateway, argv))

    def address_on_private(self, container: Container) -> str | None:
        """The container's address on the network that gateway and front ends share; None: it is not on it."""
        networks: Mapping[str, Any] = container.attrs["NetworkSettings"]["Networks"]
        here = networks.get(f"{self.settings.compose_project_name}_private") or {}
        return here.get("IPAddress") or None

    async def addresses_of(self, name: str, container: Container) -> list[str]:
        """What the name resolves to inside the container; empty where it does not, or can't be asked."""
        code, printed = await self.in_container(container, ["getent", "ahostsv4", name])
        return sorted({line.split()[0] for line in printed.splitlines() if line}) if code == 0 else []

    async def strangers_called(self, name: str, but: Container) -> list[Container]:
        """The containers, but for one, that answer to the name on the network of the front ends."""
        engine = await self.engine()
        network = f"{self.settings.compose_project_name}_private"
        there = await asyncio.to_thread(engine.containers.list, filters={"network": network})

        def answers(container: Container) -> bool:
            here = container.attrs["NetworkSettings"]["Networks"].get(network) or {}
            return name in (here.get("Aliases") or ()) and container.id != but.id

        return [container for container in there if answers(container)]

    async def secret(self, container: Container, name: str) -> str:
        """A secret of the container's, as it reads it itself.

        Raises:
            LookupError: it has none of that name.
        """
        code, printed = await self.in_container(container, ["cat", f"{_SECRETS}/{name}"])
        if code != 0:
            raise LookupError(f"the secret {name} can't be read: {printed[-200:]}")
        return printed.strip()

    async def listens(self, container: Container, port: int) -> bool:
        """Whether a process in the container listens on the TCP port, by the kernel's own table."""
        _, printed = await self.in_container(container, ["cat", "/proc/net/tcp", "/proc/net/tcp6"])
        rows = [line.split() for line in printed.splitlines()]
        return any(len(row) > 3 and row[1].endswith(f":{port:04X}") and row[3] == "0A" for row in rows)

    async def in_container(self, container: Container, argv: list[str]) -> tuple[int, str]:
        """Run a program that changes nothing in the container, as its own user; exit code, and what was printed."""
        code, printed = await self._in_container(container, argv)
        if (code, printed) == (0, ""):  # under load the engine loses now and then what a program printed: 2 of 400
            code, printed = await self._in_container(container, argv)
        return code, printed

    async def _in_container(self, container: Container, argv: list[str]) -> tuple[int, str]:
        code, output = await asyncio.to_thread(container.exec_run, argv)
        assert isinstance(output, bytes)  # noqa: S101  (no stream was asked for)
        return -1 if code is None else code, output.decode(errors="replace")

    def _engine(self) -> DockerClient:
        with self._engine_lock:
            return self._connected

    @cached_property
    def _connected(self) -> DockerClient:
        return docker_engine.client(ENGINE_SECONDS)
