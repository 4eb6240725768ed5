"""Tells a finished, unaltered model directory from every other one, without reading 115 MB each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stack.parts.model.files import sha256

STAMP = "stack-stamp.json"


def seal(folder: Path, recipe: str) -> None:
    """Note in the folder what it holds (size, time and SHA-256 of each file) and the recipe it was made by."""
    _write(folder, recipe, {file.name: _state(file) | {"sha256": sha256(file)} for file in _files(folder)})


def is_intact(folder: Path, recipe: str) -> bool:
    """Whether the folder holds what was sealed, made by this recipe.

    A file is read only where its size or time is not the sealed one; if its content is, the new time is noted.
    """
    sealed = _read(folder)
    if sealed is None or sealed["recipe"] != recipe:
        return False
    known: dict[str, dict[str, Any]] = sealed["files"]
    touched = False
    for name, expected in known.items():
        file = folder / name
        if not file.is_file():
            return False
        if _state(file).items() <= expected.items():
            continue
        if sha256(file) != expected["sha256"]:
            return False
        expected.update(_state(file))
        touched = True
    if touched:
        _write(folder, recipe, known)
    return True


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name != STAMP)


def _state(file: Path) -> dict[str, int]:
    about = file.stat()
    return {"size": about.st_size, "mtime_ns": about.st_mtime_ns}


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        sealed = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return sealed if isinstance(sealed, dict) and {"recipe", "files"} <= sealed.keys() else None


def _write(folder: Path, recipe: str, files: dict[str, dict[str, Any]]) -> None:
    draft = folder / f"{STAMP}.new"
    draft.write_text(json.dumps({"recipe": recipe, "files": files}, indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / STAMP)
