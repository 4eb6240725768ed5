"""What all containers stand on: the engine and its options, the host's namespaces, and the engine's files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from docker import DockerClient
from docker.errors import ImageNotFound

from stack.audits.subject import Subject
from stack.parts.base_image import KNOBS, MADE_HERE
from stack.settings import PORTS, Settings
from stack.tools.docker_engine import chosen_by_user

DAEMON_FILE = Path("/etc/docker/daemon.json")
SHORT_OPTIONS = {"-H": "--host", "-D": "--debug", "-l": "--log-level", "-s": "--storage-driver", "-G": "--group"}
IN_FILE = {"hosts": "host", "default-ulimits": "default-ulimit", "authorization-plugins": "authorization-plugin"}
NAMESPACES = Path("/proc/self/ns")


@dataclass(frozen=True)
class File:
    """Whose a file is, and what others may do with it."""

    owner: str
    group: str
    mode: int


@dataclass(frozen=True)
class Machine:
    """The engine and what it runs on, as far as anybody may see it.

    Args:
        info: as `docker info` shows it.
        options: of the daemon, from its command line and its file; None where it runs elsewhere, or can't be seen.
        bridge: options of Docker's own network.
        namespaces: this process's own: the host's, where the engine is on this machine.
        file: tells about a file; None where it is not there.
    """

    info: Mapping[str, Any]
    options: Mapping[str, str] | None
    bridge: Mapping[str, str]
    namespaces: Mapping[str, str]
    file: Callable[[str], File | None]

    def has(self, option: str) -> bool:
        """Whether the engine names it among its security options, such as ``apparmor``."""
        named = (each.partition(",")[0] for each in self.info.get("SecurityOptions") or ())
        return f"name={option}" in named


@dataclass(frozen=True)
class Ground:
    """What an item may want to know besides the container.

    Args:
        page_ports: of the host, where the gateway may be published.
        bases: the layers of each base image that is kept here.
        subjects: all containers that are audited.
        sources: the folder that development mode runs the containers from.
    """

    machine: Machine
    page_ports: frozenset[int]
    bases: Sequence[Sequence[str]]
    subjects: Sequence[Subject]
    sources: Path


def look(settings: Settings, engine: DockerClient, subjects: Sequence[Subject], sources: Path) -> Ground:
    """Gather it."""
    pages = (int(getattr(settings, name)) for name in PORTS if name != "foundry_port")
    return Ground(machine(engine), frozenset(pages), list(_bases(settings, engine)), subjects, sources)


def machine(engine: DockerClient) -> Machine:
    """The engine and this machine."""
    here = chosen_by_user() is None
    bridge: Mapping[str, Any] = next(iter(engine.api.networks(names=["bridge"])), {})
    return Machine(
        info=engine.info(),
        options=_options() if here else None,
        bridge=bridge.get("Options") or {},
        namespaces=_namespaces() if here else {},
        file=_file if here else lambda _: None,
    )


def parse_options(command: Sequence[str], file: Mapping[str, Any]) -> dict[str, str]:
    """The daemon's options by their long names, without dashes; several values are one text."""
    found: dict[str, list[str]] = {}
    for key, value in file.items():
        values = value if isinstance(value, list) else list(value) if isinstance(value, dict) else [value]
        found.setdefault(IN_FILE.get(key, key), []).extend(_word(each) for each in values)
    arguments = [*command[1:], ""]
    for here, following in pairwise(arguments):
        name, has_value, value = here.partition("=")
        name = SHORT_OPTIONS.get(name, name)
        if name.startswith("--"):
            apart = "true" if following.startswith("-") or not following else following
            found.setdefault(name.removeprefix("--"), []).append(value if has_value else apart)
    return {name: " ".join(values) for name, values in found.items()}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _options() -> dict[str, str] | None:
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "dockerd":
            with suppress(psutil.Error, OSError, ValueError):
                text = DAEMON_FILE.read_text(encoding="utf-8") if DAEMON_FILE.exists() else "{}"
                return parse_options(process.cmdline(), json.loads(text))
    return None


def _namespaces() -> dict[str, str]:
    return {each.name: str(each.readlink()) for each in NAMESPACES.iterdir()} if NAMESPACES.is_dir() else {}


def _file(name: str) -> File | None:
    path = Path(name)
    try:
        return File(path.owner(), path.group(), path.stat().st_mode & 0o7777)
    except (OSError, KeyError, NotImplementedError):  # KeyError: nobody has that number
        return None


def _bases(settings: Settings, engine: DockerClient) -> list[list[str]]:
    names = [str(getattr(settings, knob)) for knob in KNOBS.values()] + [MADE_HERE.format(suite=each) for each in KNOBS]
    if not settings.open_webui_is_built_here:
        names.append(settings.open_webui_image)
    layers = []
    for name in names:
        with suppress(ImageNotFound):
            layers.append(engine.images.get(name).attrs["RootFS"]["Layers"])
    return layers
