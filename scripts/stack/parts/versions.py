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
from stack.parts.keeping import beside
from stack.parts.keeping.contents import CHAT
from stack.parts.model.identity import WEIGHTS
from stack.parts.state import read_json, write_json
from stack.settings import ROOT, Settings
from stack.tools.errors import StackError

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
NOTE = "data-versions.json"
PUBLISHED = "OPEN_WEBUI_IMAGE"  # what a published image holds need not tell its version; its name does
UNKNOWN = "unknown"

_INSIDE = f"""
import importlib.metadata, json, pathlib
found = {{each.name: each.version for each in importlib.metadata.distributions()}}
tables = sorted(each.stem for each in pathlib.Path({CHAT.tables!r}).glob("v*.py"))
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
    """What another version takes the place of; None: it was not there; `UNKNOWN`: it has data, and nobody knows."""

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
        *(
            []
            if settings.open_webui_is_built_here
            else [Pin("open-webui", PUBLISHED, settings.open_webui_image, ".env")]
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


def written_by(settings: Settings, client: DockerClient, part: str) -> dict[str, str]:
    """What has written the part's data: what its container holds; else what was noted; else what its image holds.

    Empty where nobody knows.
    """
    noted = _noted(settings, part)
    has_container = bool(containers.of_project(settings, client, part))
    found = (in_use(settings, client, part) if has_container else {}) or noted or in_use(settings, client, part)
    return {**found, PUBLISHED: noted[PUBLISHED]} if PUBLISHED in noted else found


def note(settings: Settings, client: DockerClient) -> None:
    """Note what writes the data now, for when neither its container nor its image is here to be asked."""
    published = {} if settings.open_webui_is_built_here else {"open-webui": {PUBLISHED: settings.open_webui_image}}
    found = {part: {**in_use(settings, client, part), **published.get(part, {})} for part in KEEPERS}
    if found != read_json(settings.state / NOTE):
        write_json(settings.state / NOTE, found)


def starts_as_it_was(settings: Settings, client: DockerClient, part: str) -> bool:
    """Whether the image that the part starts from, if none is built, is the one that has written its data."""
    image = containers.image_in_use(settings, client, part)
    if image is None:
        return False
    if any(each.attrs["Image"] == image for each in containers.of_project(settings, client, part)):
        return True
    noted = {name: version for name, version in _noted(settings, part).items() if name != PUBLISHED}
    present = in_use(settings, client, part)
    return bool(present) and noted in ({}, present)


def changes(settings: Settings, client: DockerClient, parts: Iterable[str] = PYTHONS) -> list[Change]:
    """What this clone would bring in the place of what is in use; all of it to data of which nobody knows."""
    wanted = pinned(settings)
    found = []
    for part in parts:
        present = (written_by if part in KEEPERS else in_use)(settings, client, part)
        if present or _has_data(settings, client, part):
            of_part = [pin for pin in wanted if pin.part == part and pin.file not in NODE.values()]
            found += [Change(pin, present.get(pin.name) if present else UNKNOWN) for pin in of_part]
    return [each for each in found if each.before != each.pin.version]


def changes_for_data(settings: Settings, client: DockerClient) -> list[Change]:
    """Those of them that change who reads and writes data that is there."""
    return changes(settings, client, [part for part in KEEPERS if _has_data(settings, client, part)])


def _has_data(settings: Settings, client: DockerClient, part: str) -> bool:
    return part in KEEPERS and containers.has_volume(settings, client, KEEPERS[part])


def _noted(settings: Settings, part: str) -> dict[str, str]:
    found = (read_json(settings.state / NOTE) or {}).get(part, {})
    return {str(name): str(version) for name, version in found.items()}


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
        found = _ask(settings, client, part, image)
        if found:
            write_json(file, dict([*known.items(), (image, found)][-MOST_KNOWN:]))
        return found
    return {str(name): str(version) for name, version in known[image].items()}


def _ask(settings: Settings, client: DockerClient, part: str, image: str) -> dict[str, str]:
    """By a program in a container that runs already: what a container itself says goes where the engine logs."""
    try:
        with beside.container_beside(settings, client, image, ()) as container:
            found = json.loads(beside.answer(container, [PYTHONS[part], "-c", _INSIDE]))
    except (StackError, DockerException, OSError, ValueError):  # OSError: of the library below the SDK, a timeout, say
        return {}
    return {name if name == TABLES else canonicalize_name(name): str(version) for name, version in found.items()}
