"""The real embedded model for tests: made once in the clone's own model cache, as `up` does it."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

from stack.parts.model import EmbeddedModel, prepare
from stack.parts.model.embedded import WORKSHOP
from stack.parts.model.identity import WEIGHTS
from stack.settings import load
from stack.tools.progress import silent

REFERENCE = Path(__file__).parents[1] / "reference"


@cache
def model() -> EmbeddedModel:
    """The converted model."""
    return prepare(load().models, silent)


@cache
def gguf_file() -> Path:
    """What it was converted from."""
    model()
    return load().models / WORKSHOP / WEIGHTS.file_name


def models_with_gguf(folder: Path) -> Path:
    """A model cache in which the download is done and nothing else."""
    workshop = folder / "models" / WORKSHOP
    workshop.mkdir(parents=True)
    copy = workshop / WEIGHTS.file_name
    try:
        os.link(gguf_file(), copy)
    except OSError:  # another disk
        shutil.copyfile(gguf_file(), copy)
    return folder / "models"
