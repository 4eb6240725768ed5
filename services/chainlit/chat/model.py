"""Which model answers: found out at run time, because what is loaded changes and ids differ from machine to machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from time import monotonic

import openai

from chat.problems import LOAD, UP, Problem, from_openai, not_a_model_server
from chat.server import LOOK_SECONDS, Server

AUTO = "auto"
NOT_FOR_CHAT = ("embed", "whisper", "rerank")
LISTED = 8
KNOWN_FOR_SECONDS = 60.0

VARIANT = re.compile(r"(-[a-z0-9]+-(cpu|gpu|npu))?(:(?P<version>\d+))?$", re.IGNORECASE)


async def which(server: Server, wanted: str) -> str:
    """The id of the model that answers.

    Args:
        wanted: the knob MODEL, or the model that the user chose.

    Raises:
        Problem: the server can't be asked, or has no such model, or has it but not loaded.
    """
    client = server.client.with_options(timeout=LOOK_SECONDS)
    with _understood(server.root):
        loaded = await _loaded(client, server.root)
        if loaded and wanted.lower() == AUTO:
            return choose(wanted, loaded, loaded)
        known = await _known(client)
    return choose(wanted, known if loaded is None else loaded, known)


@dataclass(frozen=True)
class Models:
    """Ids of the models for chats that a server has in memory, and of the others that it knows."""

    loaded: tuple[str, ...]
    others: tuple[str, ...]


async def offered(server: Server) -> Models:
    """What could answer. The models that are not loaded are asked for once a minute: their catalog may be far away.

    Raises:
        Problem: the server can't be asked.
    """
    client = server.client.with_options(timeout=LOOK_SECONDS)
    with _understood(server.root):
        loaded = await _loaded(client, server.root)
        known = await _catalog(client, server.root, loaded or ())
    ready = known if loaded is None else loaded
    return Models(
        tuple(model for model in ready if _can_chat(model)),
        tuple(model for model in known if model not in ready and _can_chat(model)),
    )


async def _catalog(client: openai.AsyncOpenAI, root: str, loaded: Sequence[str]) -> Sequence[str]:
    asked_at, known = _catalogs.get(root, (0.0, ()))
    if not known or not set(loaded) <= set(known) or monotonic() - asked_at > KNOWN_FOR_SECONDS:
        known = tuple(await _known(client))
        _catalogs[root] = monotonic(), known
    return known


_catalogs: dict[str, tuple[float, tuple[str, ...]]] = {}


@contextmanager
def _understood(root: str) -> Iterator[None]:
    """Errors of who is asked for its models, in the user's words."""
    try:
        yield
    except openai.NotFoundError as elsewhere:
        raise not_a_model_server(root) from elsewhere
    except openai.OpenAIError as error:
        raise from_openai(error, root=root) from error
    except (AttributeError, TypeError, ValueError) as nonsense:  # not a list of models, nor JSON perhaps
        raise not_a_model_server(root) from nonsense


async def _known(client: openai.AsyncOpenAI) -> list[str]:
    return [model.id for model in (await client.models.list()).data]


async def _loaded(client: openai.AsyncOpenAI, root: str) -> list[str] | None:
    """The ids of the loaded models; None where the server does not know the question, which is Foundry Local's own."""
    try:
        answer = await client.get(f"{root}/models/loaded", cast_to=object)
    except openai.APIStatusError as error:
        if error.status_code in (404, 405):
            return None
        raise
    if isinstance(answer, list) and all(isinstance(model, str) for model in answer):
        return answer
    return None


def choose(wanted: str, loaded: Sequence[str], known: Sequence[str]) -> str:
    """The loaded model that is meant by an alias, a name, ``name:version`` or ``auto``, in any case of letters.

    An alias is the beginning of a name: `phi-4-mini` means `Phi-4-mini-instruct-generic-cpu:3`. Of several names that
    begin with it the shortest is meant, so `phi-4` is not taken for `phi-4-mini`, even if only that one is loaded.

    Raises:
        Problem: ``model-not-loaded`` or ``model-unknown``.
    """
    if wanted.lower() == AUTO:
        for model in loaded:
            if _can_chat(model):
                return model
        raise Problem(
            "model-not-loaded",
            "No model is loaded." + (f" These could be: {_listing(known)}." if known else ""),
            f"Load one with {UP}, then just send your message again.",
        )
    meant = [model for model in dict.fromkeys((*loaded, *known)) if _begins_with(model, wanted)]
    if not meant:
        near = get_close_matches(wanted.lower(), [model.lower() for model in known], n=1, cutoff=0.5)
        raise Problem(
            "model-unknown",
            f"There is no model `{wanted}`." + (f" These are there: {_listing(known, first=near)}." if known else ""),
            f"Set `MODEL` to one of them, or to `auto`, and run {UP}.",
        )
    name = min((_name(model) for model in meant), key=len)
    running = [model for model in meant if _name(model) == name and model in loaded]
    if not running:
        raise Problem(
            "model-not-loaded",
            f"The model `{wanted}` is there but not loaded.",
            f"Load it with `{LOAD} {wanted}`, then just send your message again."
            + (f" Or choose another one in the chat's settings: {_listing(loaded)}." if loaded else ""),
        )
    return max(running, key=_version)


def without_variant(model: str) -> str:
    """The id without device and version."""
    return VARIANT.sub("", model)


def device_of(model: str) -> str | None:
    """CPU, GPU or NPU, where the id says so."""
    found = VARIANT.search(model)
    return found[2].upper() if found and found[2] else None


def _can_chat(model: str) -> bool:
    return not any(word in model.lower() for word in NOT_FOR_CHAT)


def _begins_with(model: str, wanted: str) -> bool:
    model, wanted = model.lower(), wanted.lower()
    return model == wanted or model.startswith((f"{wanted}-", f"{wanted}:"))


def _name(model: str) -> str:
    """What an alias is compared with."""
    return without_variant(model.lower())


def _version(model: str) -> int:
    found = VARIANT.search(model)
    return int(found["version"] or 0) if found else 0


def _listing(models: Sequence[str], first: Sequence[str] = ()) -> str:
    ordered = sorted(models, key=lambda model: model.lower() not in first)
    shown = ", ".join(f"`{model}`" for model in ordered[:LISTED])
    return f"{shown} and {len(models) - LISTED} more" if len(models) > LISTED else shown
