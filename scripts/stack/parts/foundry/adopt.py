"""A Foundry Local of the user's: which of its models answers. Nothing is ever unloaded, and nothing stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.parts.foundry import api
from stack.parts.foundry.choose import AUTO, DEFAULT, pick
from stack.parts.foundry.discover import Found
from stack.parts.foundry.model import DEVICES, Model
from stack.tools.errors import StackError
from stack.tools.progress import Progress

NOT_FOR_CHAT = ("embed", "whisper", "rerank")


@dataclass(frozen=True)
class Adopted:
    """The model of an adopted Foundry Local that answers, and why."""

    model: Model
    reason: str


def choose_loaded(found: Found, wanted: str, device: str, progress: Progress) -> Adopted:
    """The model that is loaded already and fits MODEL and DEVICE; else the one they mean is loaded.

    Raises:
        StackError: ``model-unknown``; ``model-not-loaded``, it is not downloaded there, or none is.
    """
    in_memory = api.loaded(found.url)
    if in_memory is None:
        raise _silent(found)
    described = _described(found)
    for_chat = [model for model in map(described, in_memory) if _can_chat(model)]
    means = [model for model in for_chat if _fits(model, wanted, device)]
    if means:
        return Adopted(means[0], "loaded already in your Foundry Local")
    models = [model for model in map(described, api.known(found.url)) if _can_chat(model)]
    if wanted.casefold() != AUTO:
        return _load(
            found, [pick(models, wanted, device)], device, progress, f"MODEL={wanted}, loaded in your Foundry Local"
        )
    fitting = [model for model in models if device in (AUTO, model.device)]
    in_order = sorted(fitting, key=lambda model: (not model.is_called(DEFAULT), model.id.casefold()))
    return _load(found, in_order, device, progress, "nothing was loaded in your Foundry Local, this one was downloaded")


def _load(found: Found, models: Sequence[Model], device: str, progress: Progress, reason: str) -> Adopted:
    """Load the first of them that is downloaded there."""
    tried: set[str] = set()
    why = "no model is downloaded there"
    for model in models:
        if model.alias in tried:
            continue
        tried.add(model.alias)
        progress(f"Loading {model.alias} in your Foundry Local")
        try:
            api.load(found.url, model.alias)
        except api.NotLoadedError as refused:
            why = str(refused)
            continue
        in_memory = list(map(_described(found), api.loaded(found.url) or []))
        if means := [loaded for loaded in in_memory if _fits(loaded, model.alias, device)]:
            return Adopted(means[0], reason)
        why = f"it chose another variant of {model.alias} than DEVICE={device}"
    name = models[0].alias if len(models) == 1 else DEFAULT
    raise StackError(
        f"Your Foundry Local at {found.url} can't answer with {'a model' if len(models) != 1 else name}: {why}.",
        fix=f"foundry model download {name}, or set FOUNDRY_URL=own in .env: then `up` starts one of its own.",
        cause="model-not-loaded",
    )


def _fits(model: Model, wanted: str, device: str) -> bool:
    return (wanted.casefold() == AUTO or model.is_called(wanted)) and device in (AUTO, model.device)


def _can_chat(model: Model) -> bool:
    return not any(word in model.id.casefold() for word in NOT_FOR_CHAT)


def _described(found: Found) -> Callable[[str], Model]:
    """From an id to a Model: with what its model cache notes about the catalog where that can be read."""
    noted = _noted(Path(found.model_cache) / "foundry.modelinfo.json")

    def describe(model_id: str) -> Model:
        return noted.get(model_id) or Model.from_id(model_id)

    return describe


def _noted(file: Path) -> dict[str, Model]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))["models"]
        models = [_from_note(entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {model.id: model for model in models}


def _from_note(entry: dict[str, Any]) -> Model:
    device = str(entry["runtime"]["deviceType"]).lower()
    return Model(str(entry["id"]), str(entry["alias"]), device if device in DEVICES else "")


def _silent(found: Found) -> StackError:
    return StackError(
        f"Your Foundry Local at {found.url} stopped answering.",
        fix="See whether it is overloaded or has ended, or set FOUNDRY_URL=own in .env.",
        cause="foundry-hangs",
    )
