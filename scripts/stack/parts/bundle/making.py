"""Makes a bundle of the stack as it is here: its images are built and its model is in the cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stack.parts.bundle import clone, debian, images, models, wheels
from stack.parts.bundle.writing import write
from stack.parts.disk import require_room
from stack.parts.state import private_folder
from stack.settings import Settings
from stack.tools.bundle_file import CLONE, DEBIAN, IMAGES, MANIFEST, SCHEMA, WHEELS, platform_here
from stack.tools.progress import Progress
from stack.tools.virtual_environment import PYTHON

MB = 1_000_000
# Measured: images 1,250 MB, 420 MB of it compressed; models 115 MB, wheels 150 MB, Debian's packages 130 MB.
WORK_BYTES = 2_000 * MB
FILE_BYTES = 1_000 * MB

Stage = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Bundled:
    """What was written.

    Attributes:
        sizes: bytes by part, in words for people.
        release: of the Debian or Ubuntu whose packages are in it; None: none are.
    """

    file: Path
    sha256: str
    sizes: dict[str, int]
    release: str | None


def make(settings: Settings, target: Path, stage: Stage) -> Bundled:
    """Write the bundle.

    Args:
        settings: with the images' names in it, under which they are built.
        target: where to; a file of that name is replaced once the new one is whole.
        stage: entered with a title for each part, and gives what shows its progress.

    Raises:
        StackError: ``disk-full``, or why a part can't be had.
    """
    work = settings.state / "bundle.partial"
    require_room({settings.state: WORK_BYTES, target.parent: FILE_BYTES}, "the bundle")
    shutil.rmtree(work, ignore_errors=True)
    private_folder(work)
    try:
        return _make(settings, target, work, stage)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _make(settings: Settings, target: Path, work: Path, stage: Stage) -> Bundled:
    for folder in (WHEELS, DEBIAN):
        (work / folder).mkdir()
    with stage("Python packages") as progress:
        wheels.download(work / WHEELS, progress)
    with stage("Debian packages") as progress:
        release = debian.download(work / DEBIAN, progress)
    with stage("Model") as progress:
        in_cache = models.files(settings.models, progress)
    with stage("Images") as progress:
        names = images.save(settings, work / IMAGES, progress)
    manifest = {
        "schema": SCHEMA,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": clone.version(),
        "platform": platform_here(),
        "python": PYTHON,
        "release": release,
        "images": names,
    }
    (work / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    parts = {
        "scripts and services": {f"{CLONE}/{name}": file for name, file in clone.files().items()},
        "Python packages": _files(work, WHEELS),
        "Debian packages": _files(work, DEBIAN),
        "models": in_cache,
        "images": {IMAGES: work / IMAGES},
    }
    members = {MANIFEST: work / MANIFEST}
    for files in parts.values():
        members |= files
    with stage("Writing the file") as progress:
        digest = write(target, members, work, progress)
    sizes = {name: sum(file.stat().st_size for file in files.values()) for name, files in parts.items()}
    return Bundled(target, digest, sizes, release)


def _files(work: Path, folder: str) -> dict[str, Path]:
    return {f"{folder}/{file.name}": file for file in sorted((work / folder).iterdir())}
