"""Bundles in small: a few members, and a manifest that says whatever a test wants."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stack.parts.bundle.writing import write
from stack.tools.bundle_file import MANIFEST, SCHEMA, platform_here
from stack.tools.progress import silent
from stack.tools.virtual_environment import PYTHON


def make_bundle(folder: Path, members: Mapping[str, bytes], **manifest: Any) -> Path:
    """Write one in the folder.

    Args:
        manifest: what it says otherwise than a bundle for this machine would.
    """
    work = folder / "work"
    said = {"schema": SCHEMA, "platform": platform_here(), "python": PYTHON, "release": None, "images": {}, **manifest}
    all_members = {MANIFEST: json.dumps(said).encode(), **members}
    for name, content in all_members.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_bytes(content)
        os.utime(work / name, (1_700_000_000.25, 1_700_000_000.25))
    target = folder / "bundle.tar"
    write(target, {name: work / name for name in all_members}, work, silent)
    return target
