"""Asks Foundry Local's catalog, or downloads a model from it, in a process of its own: the SDK is a singleton.

    python -m stack.parts.foundry.prepare list|downloaded|download --data DIR --models DIR [--catalog-url URL]
                                          [--model ID]

Prints one JSON object a line: {"model": {...}}, {"fraction": 0.5}, and at the end {"done": true} or {"error": {...}}.
Lines that are none come from the runtime.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stack.parts.disk import require_room
from stack.parts.foundry.model import DEVICES
from stack.tools.errors import StackError
from stack.tools.user import run_as

MIB = 1024 * 1024
STDOUT = 1


def main(argv: list[str] | None = None) -> int:
    """Run one of the three and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stack.parts.foundry.prepare", description=__doc__)
    parser.add_argument("what", choices=["list", "downloaded", "download"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--catalog-url", default="")
    parser.add_argument("--model", default="")
    arguments = parser.parse_args(argv)
    _become_the_user()
    try:
        {"list": _list, "downloaded": _downloaded, "download": _download}[arguments.what](arguments)
    except StackError as known:
        tell(
            {"error": {"message": known.message, "fix": known.fix, "cause": known.cause, "exit_code": known.exit_code}}
        )
        return 1
    except Exception as problem:
        tell({"error": {"message": str(problem), "fix": "", "cause": ""}})
        return 1
    tell({"done": True})
    return 0


def tell(news: dict[str, Any]) -> None:
    """One line, written in one go: the runtime's threads print to the same place."""
    os.write(STDOUT, (json.dumps(news) + "\n").encode())


def _list(arguments: argparse.Namespace) -> None:
    """What the catalog offers, now: an empty model cache keeps the runtime from answering with what it remembers."""
    from stack.parts.foundry.runtime import open_runtime  # noqa: PLC0415  (loads the native library)

    empty = Path(tempfile.mkdtemp(prefix="catalog-", dir=arguments.data))
    try:
        manager = open_runtime(arguments.data, empty, arguments.catalog_url)
        for model in manager.catalog.list_models():
            _tell_models(model.variants, preferred=model.id)
    finally:
        shutil.rmtree(empty, ignore_errors=True)


def _downloaded(arguments: argparse.Namespace) -> None:
    """What is in the model cache and was in the catalog when it last answered. Asks nobody."""
    from stack.parts.foundry.runtime import open_runtime  # noqa: PLC0415

    manager = open_runtime(arguments.data, arguments.models, arguments.catalog_url, offline=True)
    _tell_models(manager.catalog.get_cached_models(), preferred="")


def _download(arguments: argparse.Namespace) -> None:
    """Have the model in the cache; what an interrupted download left is completed or replaced by the runtime."""
    from stack.parts.foundry.runtime import open_runtime  # noqa: PLC0415

    manager = open_runtime(arguments.data, arguments.models, arguments.catalog_url)
    model = manager.catalog.get_model_variant(arguments.model)
    if model is None:
        raise RuntimeError(f"the catalog no longer has {arguments.model}")
    if model.is_cached:
        return
    require_room({arguments.models: (model.info.file_size_mb or 0) * MIB}, f"the model {model.alias}")
    furthest = 0.0

    def on_percent(percent: float) -> None:
        nonlocal furthest
        if percent / 100 > furthest:  # parallel parts may report in another order than they arrived
            furthest = percent / 100
            tell({"fraction": furthest})

    model.download(on_percent)


def _tell_models(variants: Iterable[Any], preferred: str) -> None:
    for variant in variants:
        info = variant.info
        if info.task and "chat" not in info.task:
            continue
        device = str(info.runtime.device_type or "").lower() if info.runtime else ""
        size = None if info.file_size_mb is None else info.file_size_mb * MIB
        tell(
            {
                "model": {
                    "id": info.id,
                    "alias": info.alias,
                    "device": device if device in DEVICES else "",
                    "size_bytes": size,
                    "preferred": info.id == preferred,
                }
            }
        )


def _become_the_user() -> None:
    """With sudo: write the user's model cache as the user."""
    uid, gid = run_as()
    if uid is not None and gid is not None:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


if __name__ == "__main__":
    # The runtime's threads would keep a normal exit waiting for its telemetry.
    code = main()
    os._exit(code)
