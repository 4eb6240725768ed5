"""The models in the model cache: the embedded one, and what was downloaded from a catalog."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from stack.parts.model import prepare
from stack.parts.model.embedded import WORKSHOP
from stack.parts.model.files import make_folder, sha256
from stack.tools.bundle_file import MODELS, BundleFile
from stack.tools.progress import Progress
from stack.tools.user import hand_over


def files(cache: Path, progress: Progress) -> dict[str, Path]:
    """All that is in the cache, the embedded model always among it, by the names in a bundle."""
    prepare(cache, progress)
    found = {}
    for folder, folders, names in os.walk(cache, followlinks=True):
        folders[:] = sorted(each for each in folders if each != WORKSHOP)
        for name in sorted(names):
            file = Path(folder, name)
            found[f"{MODELS}/{file.relative_to(cache).as_posix()}"] = file
    return found


def put(bundle: BundleFile, cache: Path, progress: Progress) -> None:
    """Lay the bundle's models into the cache; what is there already stays, as long as it is the same.

    Each file appears under its name once it is whole, with the time that it had: by that the embedded model is known
    to be intact.

    Raises:
        StackError: ``bundle-damaged``.
    """
    for name in bundle.names(MODELS):
        target = cache / PurePosixPath(name).relative_to(MODELS)
        if target.is_file() and sha256(target) == bundle.sums[name]:
            continue
        progress(f"writing {target.name}")
        make_folder(target.parent)
        draft = target.with_name(f".{target.name}.partial")
        bundle.take_out(name, draft)
        modified = bundle.modified(name)
        os.utime(draft, (modified, modified))
        hand_over(draft)
        draft.replace(target)
