"""The few calls of Foundry Local's web service (2.2.1) that the stack makes itself. Never through a proxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

ANSWER_SECONDS = 10.0
CATALOG_SECONDS = 30.0  # offline, it tries its catalog for 4 to 5 s, longer on a busy machine
LOAD_SECONDS = 900.0  # a large model from a slow disk
RELAY = "foundry-stack-relay"


@dataclass(frozen=True)
class Status:
    """How a Foundry Local answers ``GET /status``; ``endpoints`` are the addresses it was told to listen on."""

    endpoints: tuple[str, ...]
    model_cache: str
    pid: int
    through_our_relay: bool


class NotLoadedError(Exception):
    """The model can't be loaded; the text is Foundry Local's reason."""


def status(url: str, timeout: float = ANSWER_SECONDS) -> Status | None:
    """What the Foundry Local at ``url`` says about itself; None where none answers."""
    response = _get(url, "/status", timeout)
    body = _json(response)
    if response is None or response.status_code != 200 or not isinstance(body, dict):
        return None
    if not isinstance(body.get("endpoints"), list) or not isinstance(body.get("pid"), int):
        return None
    via = response.headers.get("Via", "")
    return Status(tuple(map(str, body["endpoints"])), str(body.get("modelCachePath", "")), body["pid"], RELAY in via)


def loaded(url: str) -> list[str] | None:
    """Ids of the models in memory; None where Foundry Local does not answer."""
    body = _json(_get(url, "/models/loaded", ANSWER_SECONDS))
    return [str(entry) for entry in body] if isinstance(body, list) else None


def known(url: str) -> list[str]:
    """Ids of all models of its catalog, downloaded or not."""
    body = _json(_get(url, "/v1/models", CATALOG_SECONDS))
    entries = body.get("data") if isinstance(body, dict) else None
    return [str(entry["id"]) for entry in entries or [] if isinstance(entry, dict) and "id" in entry]


def load(url: str, alias: str) -> None:
    """Load a model that is downloaded. Foundry Local takes only the alias, letter by letter, and picks the variant.

    Raises:
        NotLoadedError: it is not known by that alias, or not downloaded.
    """
    response = _get(url, f"/models/load/{alias}", LOAD_SECONDS)  # in 2.2.1 it is GET; POST is a 404
    if response is None:
        raise NotLoadedError("Foundry Local did not answer")
    if response.status_code != 200:
        body = _json(response)
        error = body.get("error") if isinstance(body, dict) else None
        raise NotLoadedError(
            str(error["message"]) if isinstance(error, dict) and "message" in error else response.text[:200]
        )


def _get(url: str, path: str, timeout: float) -> httpx.Response | None:
    try:
        return httpx.get(f"{url}{path}", timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)), trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None


def _json(response: httpx.Response | None) -> Any:
    try:
        return response.json() if response is not None else None
    except ValueError:
        return None
