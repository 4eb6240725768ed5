"""An engine whose volumes are folders of this machine and whose containers are processes: enough of it for backups.

What runs in a container runs here, with the container's folders in the place of those that it is told. The images are
known by the versions of the programs in them.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from docker.errors import APIError, ImageNotFound, NotFound
from requests import Response

from stack.parts.keeping import beside
from stack.tools.chunks import Stream
from stack.tools.errors import StackError

PLACES = ("/source", "/data", "/volumes")


class FolderEngine:
    """The engine, as far as the SDK's client shows it.

    Args:
        versions: by service; an image without any is not there.

    Attributes:
        tables: the newest form of the chat's own tables, in its image.
        before_each: is called with the name of each call that changes something or runs something, before it.
    """

    def __init__(self, folder: Path, versions: Mapping[str, str]) -> None:
        self.folder = folder
        self.versions = dict(versions)
        self.tables = "v0001_chats"
        self.before_each: Callable[[str], None] = lambda _: None
        self.volumes = _Volumes(self)
        self.containers = _Containers(self)
        self.images = _Images()
        self.api = _Api(self)

    def info(self) -> dict[str, Any]:
        return {"DockerRootDir": str(self.folder)}

    def volume(self, name: str) -> Path:
        """Its folder."""
        return self.volumes.all[name].folder


class _Volume:
    def __init__(self, engine: FolderEngine, name: str, labels: Mapping[str, str]) -> None:
        self.name, self.labels, self._engine = name, labels, engine
        self.folder = engine.folder / "engine" / name
        self.folder.mkdir(parents=True)

    def remove(self) -> None:
        self._engine.before_each("remove-volume")
        if any(self.name in each.mounted for each in self._engine.containers.all):
            refusal = Response()
            refusal.status_code = 409
            raise APIError("volume is in use", response=refusal)
        _remove(self.folder)
        del self._engine.volumes.all[self.name]


class _Volumes:
    def __init__(self, engine: FolderEngine) -> None:
        self._engine = engine
        self.all: dict[str, _Volume] = {}

    def create(self, name: str, labels: Mapping[str, str]) -> None:
        self._engine.before_each("create-volume")
        self.all[name] = _Volume(self._engine, name, labels)

    def list(self, filters: Mapping[str, str]) -> list[_Volume]:
        return [each for each in self.all.values() if filters["name"] in each.name]

    def get(self, name: str) -> _Volume:
        if name not in self.all:
            raise NotFound(name)
        return self.all[name]


class FolderContainer:
    """A container; in its folder are links to its volumes, where it would find them."""

    def __init__(self, engine: FolderEngine, image: str, options: Mapping[str, Any]) -> None:
        self.client = engine
        self.id = self.name = uuid4().hex
        self.image, self.labels = image, options["labels"]
        self.root = engine.folder / "engine" / "containers" / self.id
        self.mounted = {mount["Source"] for mount in options["mounts"]}
        for mount in options["mounts"]:
            place = self.root / str(mount["Target"]).lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if mount["Source"]:
                if mount["Source"] not in engine.volumes.all:  # as the engine does
                    engine.volumes.create(mount["Source"], {})
                place.symlink_to(engine.volume(mount["Source"]))
            else:
                place.mkdir()
        engine.containers.all.append(self)

    def start(self) -> None:
        self.client.before_each("start")

    def remove(self, *, force: bool, v: bool) -> None:
        assert force
        assert v, "else the volume without a name stays"
        _remove(self.root)
        self.client.containers.all.remove(self)

    def get_archive(self, path: str) -> tuple[Iterator[bytes], None]:
        self.client.before_each("get_archive")
        out = io.BytesIO()
        folder = (self.root / path.lstrip("/")).resolve()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.add(folder, arcname=path.rpartition("/")[2])
        return iter([out.getvalue()[at : at + 4096] for at in range(0, len(out.getvalue()), 4096)]), None

    def put_archive(self, path: str, data: Iterable[bytes]) -> bool:
        self.client.before_each("put_archive")
        with tarfile.open(fileobj=Stream(data), mode="r|") as archive:  # type: ignore[arg-type]
            archive.extractall(self.root / path.lstrip("/"), filter="fully_trusted")  # noqa: S202  (the test's own)
        return True

    def run(self, argv: Sequence[str]) -> tuple[int, bytes, bytes]:
        """Run it here: exit code, output and errors."""
        python, *options, text = argv[:4]
        assert (python.endswith(("python", "python3")), options) == (True, ["-I", "-c"])
        service = self.image.rpartition("/")[2].partition(":")[0]
        if text == beside.ASK_VERSION:
            return 0, f"{self.client.versions[service]}\n".encode(), b""
        if text == beside.ASK_TABLES:
            return 0, f"{self.client.tables}\n".encode(), b""
        self.client.before_each(f"run-{argv[4] if len(argv[4]) < 20 else 'read'}")
        for place in PLACES:
            there = (self.root / place.lstrip("/")).resolve()  # a mounted folder is no link
            text = text.replace(f'Path("{place}")', f"Path({str(there)!r})")
        text = text.replace("signal.pause()", "None")  # here it need not wait for the container's end
        done = subprocess.run([sys.executable, "-I", "-c", text, *argv[4:]], capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr


class _Containers:
    def __init__(self, engine: FolderEngine) -> None:
        self._engine = engine
        self.all: list[FolderContainer] = []

    def create(self, image: str, **options: Any) -> FolderContainer:
        self._engine.before_each("create")
        if image.rpartition("/")[2].partition(":")[0] not in self._engine.versions:
            raise ImageNotFound(image)
        return FolderContainer(self._engine, image, options)

    def list(self, *, all: bool, filters: Mapping[str, Any], ignore_removed: bool = False) -> list[FolderContainer]:  # noqa: A002  (the SDK's name)
        if isinstance(filters["label"], list):  # of the stack's services: none runs
            return []
        key, _, value = filters["label"].partition("=")
        return [each for each in self.all if each.labels.get(key) == value]


class _Images:
    def get(self, name: str) -> Self:
        raise ImageNotFound(name)


class _Api:
    """Runs things in containers, by the SDK's lower half."""

    def __init__(self, engine: FolderEngine) -> None:
        self._engine = engine
        self._codes: dict[str, int] = {}
        self._made: dict[str, tuple[FolderContainer, Sequence[str]]] = {}

    def exec_create(self, container: str, argv: Sequence[str]) -> dict[str, str]:
        (found,) = [each for each in self._engine.containers.all if each.id == container]
        name = uuid4().hex
        self._made[name] = found, argv
        return {"Id": name}

    def exec_start(self, name: str, *, stream: bool, demux: bool) -> Iterator[tuple[bytes | None, bytes | None]]:
        assert stream
        assert demux
        container, argv = self._made[name]
        self._codes[name], out, err = container.run(argv)
        for at in range(0, len(err), 50):
            yield None, err[at : at + 50]
        for at in range(0, len(out), 5000):
            yield out[at : at + 5000], None

    def exec_inspect(self, name: str) -> dict[str, int]:
        return {"ExitCode": self._codes[name]}


def run(container: FolderContainer, argv: Sequence[str]) -> str:
    """In the place of `beside.run`, which asks the engine's command."""
    code, out, err = container.run(argv)
    if code:
        raise StackError(err.decode(), fix="", cause="program-failed")
    return out.decode()


def _remove(path: Path) -> None:
    """With all in it, links not followed."""
    if path.is_dir() and not path.is_symlink():
        for each in path.iterdir():
            _remove(each)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
