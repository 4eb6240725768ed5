"""Which versions the stack is made of: what this clone pins, and what an image that is there holds.

Each version is pinned once, in the file that its part is built from; `pinned` is the list of them all, and says where
each is changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.errors import DockerException
from packaging.utils import canonicalize_name

from stack.parts import containers
from stack.parts.model.identity import WEIGHTS
from stack.parts.state import read_json, write_json
from stack.settings import ROOT, Settings

HOST = "host"
REQUIREMENTS = {
    HOST: "scripts/requirements.in",
    "chainlit": "services/chainlit/requirements.in",
    "open-webui": "services/open-webui/requirements.in",
    "monitor": "services/monitor/requirements.in",
    "webgpu-static": "services/webgpu-static/node.in",
}
NODE = {"webgpu-static": "services/webgpu-static/package.json", "chainlit": "services/chainlit/package.json"}
TABLES = "the chats' tables"
MIGRATIONS = "services/chainlit/chat/store/migrations/versions"
KEEPERS = {"chainlit": "chainlit-data", "open-webui": "open-webui-data"}  # who writes data that later versions read
PYTHONS = {
    "chainlit": "/opt/venv/bin/python",
    "open-webui": "python3",
    "monitor": "/opt/venv/bin/python",
}  # in their images
KNOWN, MOST_KNOWN = "versions.json", 12

_INSIDE = f"""
import importlib.metadata, json, pathlib
found = {{each.name: each.version for each in importlib.metadata.distributions()}}
tables = sorted(each.stem for each in pathlib.Path("/app/chat/store/migrations/versions").glob("v*.py"))
print(json.dumps({{**found, **({{{TABLES!r}: tables[-1]}} if tables else {{}})}}))
"""


@dataclass(frozen=True)
class Pin:
    """A version that somebody chose, not one that came along.

    Args:
        part: the service, or `HOST` for what runs on this machine itself.
        file: where it is changed, in the repository.
    """

    part: str
    name: str
    version: str
    file: str


@dataclass(frozen=True)
class Change:
    """What another version takes the place of; None: it was not there."""

    pin: Pin
    before: str | None


def pinned(settings: Settings, root: Path = ROOT) -> list[Pin]:
    """Every version that is chosen somewhere, part by part."""
    return [
        *(
            pin
            for part, file in REQUIREMENTS.items()
            if _is_built_here(settings, part)
            for pin in _python(root, part, file)
        ),
        *(
            Pin(part, name, version, file)
            for part, file in NODE.items()
            for name, version in json.loads((root / file).read_text(encoding="utf-8"))["dependencies"].items()
        ),
        Pin("chainlit", TABLES, _newest_tables(root), MIGRATIONS),
        Pin(HOST, WEIGHTS.project, WEIGHTS.version, "scripts/stack/parts/model/identity.py"),
    ]


def locked(part: str, root: Path = ROOT) -> dict[str, str]:
    """Every Python package of the part, by its canonical name: those that came along, too."""
    text = (root / REQUIREMENTS[part]).with_suffix(".lock").read_text(encoding="utf-8")
    return {
        canonicalize_name(name): version
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", text, re.MULTILINE)
    }


def in_use(settings: Settings, client: DockerClient, part: str) -> dict[str, str]:
    """What the service's image holds: that of its container, be it stopped; else the one that `up` would start.

    Empty where there is neither, or nothing in it that tells.
    """
    image = containers.image_in_use(settings, client, part)
    return _inside(settings, client, part, image) if image and part in PYTHONS else {}


def changes(settings: Settings, client: DockerClient, parts: Iterable[str] = PYTHONS) -> list[Change]:
    """What this clone would bring in the place of what is in use."""
    wanted = pinned(settings)
    found = []
    for part in parts:
        if present := in_use(settings, client, part):
            of_part = [pin for pin in wanted if pin.part == part and pin.file not in NODE.values()]
            found += [Change(pin, before) for pin in of_part if (before := present.get(pin.name)) != pin.version]
    return found


def changes_for_data(settings: Settings, client: DockerClient) -> list[Change]:
    """Those of them that change who reads and writes data that is there."""
    keepers = [part for part, volume in KEEPERS.items() if containers.has_volume(settings, client, volume)]
    return changes(settings, client, keepers)


def along(settings: Settings, client: DockerClient) -> int:
    """How many other Python packages would come in another version with them."""
    chosen = {(pin.part, pin.name) for pin in pinned(settings)}
    return sum(
        present.get(name, version) != version
        for part in PYTHONS
        if _is_built_here(settings, part) and (present := in_use(settings, client, part))
        for name, version in locked(part).items()
        if (part, name) not in chosen
    )


def _is_built_here(settings: Settings, part: str) -> bool:
    return part != "open-webui" or settings.open_webui_is_built_here


def _python(root: Path, part: str, file: str) -> Iterator[Pin]:
    have = locked(part, root)
    for line in (root / file).read_text(encoding="utf-8").splitlines():
        if wanted := re.match(r"[A-Za-z0-9._-]+", line):
            name = canonicalize_name(wanted[0])
            yield Pin(part, name, have[name], file)


def _newest_tables(root: Path) -> str:
    return max(each.stem for each in (root / MIGRATIONS).glob("v*.py"))


def _inside(settings: Settings, client: DockerClient, part: str, image: str) -> dict[str, str]:
    """What is installed in an image; looked up once, because an image never changes."""
    file = settings.state / KNOWN
    known: Mapping[str, Any] = read_json(file) or {}
    if image not in known:
        found = _ask(client, part, image)
        if found:
            write_json(file, dict([*known.items(), (image, found)][-MOST_KNOWN:]))
        return found
    return {str(name): str(version) for name, version in known[image].items()}


def _ask(client: DockerClient, part: str, image: str) -> dict[str, str]:
    try:
        said = client.containers.run(
            image,
            ["-c", _INSIDE],
            entrypoint=[PYTHONS[part]],
            network_mode="none",
            read_only=True,
            remove=True,
            labels={containers.PROJECT_LABEL: "", containers.SERVICE_LABEL: ""},  # the image's own name its project
        )
        found = json.loads(said)
    except (DockerException, ValueError):
        return {}
    return {name if name == TABLES else canonicalize_name(name): str(version) for name, version in found.items()}
