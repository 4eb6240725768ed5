"""Foundry Local is well, but not the model: it is unknown, not loaded, another variant, or there is no list."""

from __future__ import annotations

import pytest

from fakes.foundry import MODEL
from fakes.model_server import ModelServer
from fakes.odd_server import OddServer, answer
from faults.links import Links
from faults.named import Probed

pytestmark = pytest.mark.full

LOADED = "model.loaded"
OTHER = "Phi-4-mini-instruct-generic-cpu:3"


async def test_on_another_device(probed: Probed) -> None:
    other = await probed.with_knobs(device="npu").degrades(LOADED, "model-on-other-device")
    assert "wanted: npu" in other.evidence


@pytest.mark.parametrize(
    ("known", "loaded", "wanted", "cause"),
    [
        ([MODEL, OTHER], [MODEL], "phi-4-mini", "model-not-loaded"),
        ([MODEL, OTHER], [MODEL], OTHER, "model-not-loaded"),
        ([MODEL], [], "auto", "model-not-loaded"),
        ([], [], "auto", "model-unknown"),
        ([MODEL], [MODEL], "phi-4-mini", "model-unknown"),
        ([MODEL, OTHER], [OTHER], "smollm3", "model-unknown"),
    ],
    ids=["another is loaded", "by its id", "none is loaded", "none at all", "another is known", "like another's name"],
)
async def test_what_is_wanted(  # noqa: PLR0917  (pytest passes them by name)
    probed: Probed, links: Links, known: list[str], loaded: list[str], wanted: str, cause: str
) -> None:
    async with ModelServer() as server:
        server.models, server.loaded = known, loaded
        with links.foundry_is(server.url):
            await probed.with_knobs(model=wanted).fails(LOADED, cause)


@pytest.mark.parametrize(
    "lists",
    [
        answer("500 Internal Server Error", "<h1>500</h1>", "text/html"),
        answer("200 OK", "<h1>Welcome</h1>", "text/html"),
        answer("200 OK", '{"data": [{"na'),
        answer("200 OK", '{"data": [{"name": "a model without an id"}]}'),
        answer("429 Too Many Requests", '{"error": {"message": "slow down"}}'),
        answer("401 Unauthorized", '{"error": {"message": "Incorrect API key provided"}}'),
    ],
    ids=["500", "a web page", "half an object", "another object", "429", "401"],
)
async def test_no_list_of_models(probed: Probed, links: Links, lists: bytes) -> None:
    async with OddServer() as server:
        server.lists = lists
        with links.foundry_is(server.url):
            await probed.fails(LOADED, "unknown")
