"""Which model answers."""

from collections.abc import AsyncIterator

import pytest

from chat.model import Models, choose, offered, which
from chat.problems import Problem
from chat.server import find
from chat.settings import Settings
from fakes.model_server import ModelServer

SMOL = "smollm2-135m-instruct-generic-cpu:1"
PHI = "Phi-4-mini-instruct-generic-cpu:3"
PHI_OLD = "Phi-4-mini-instruct-generic-cpu:2"
PHI_GPU = "Phi-4-mini-instruct-cuda-gpu:4"
REASONING = "Phi-4-mini-reasoning-generic-cpu:1"
BIG = "Phi-4-generic-cpu:1"


@pytest.mark.parametrize(
    ("wanted", "loaded", "chosen"),
    [
        ("auto", [SMOL, PHI], SMOL),
        ("AUTO", ["qwen3-embedding-0.6b-generic-cpu:1", "whisper-tiny-generic-cpu:1", PHI], PHI),
        ("phi-4-mini", [SMOL, PHI], PHI),
        ("Phi-4-mini-instruct-generic-cpu", [SMOL, PHI], PHI),
        ("phi-4-mini-instruct-generic-cpu:2", [PHI, PHI_OLD], PHI_OLD),
        ("phi-4-mini", [PHI_OLD, PHI], PHI),
        ("phi-4-mini", [PHI, PHI_GPU], PHI_GPU),
        ("phi-4-mini", [REASONING, PHI], PHI),
        ("phi-4", [REASONING, PHI, BIG], BIG),
        ("llama3", ["llama3:latest", "llama3.2:latest"], "llama3:latest"),
    ],
)
def test_chooses(wanted: str, loaded: list[str], chosen: str) -> None:
    assert choose(wanted, loaded, loaded) == chosen


@pytest.mark.parametrize(
    ("wanted", "loaded", "known", "cause", "says"),
    [
        ("auto", [], [PHI], "model-not-loaded", PHI),
        ("auto", [], [], "model-not-loaded", "No model is loaded."),
        ("phi-4-mini", [SMOL], [SMOL, PHI], "model-not-loaded", "phi-4-mini"),
        ("phi-4", [PHI], [PHI, BIG], "model-not-loaded", "`phi-4`"),
        ("phi-5", [SMOL], [SMOL, PHI], "model-unknown", PHI),
        ("smol", [SMOL], [SMOL], "model-unknown", SMOL),
    ],
)
def test_never_takes_another_model_instead(
    wanted: str, loaded: list[str], known: list[str], cause: str, says: str
) -> None:
    with pytest.raises(Problem) as problem:
        choose(wanted, loaded, known)
    assert problem.value.cause == cause
    assert says in problem.value.what
    assert "python3 scripts/" in problem.value.fix


def test_names_the_nearest_first() -> None:
    known = [f"model-{number}-generic-cpu:1" for number in range(20)] + [PHI]
    with pytest.raises(Problem) as problem:
        choose("phi-4-mini-instruct-generic-gpu", [], known)
    assert f"are there: `{PHI}`" in problem.value.what
    assert "and 13 more" in problem.value.what


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as running:
        yield running


async def ask(server: ModelServer, wanted: str) -> str:
    return await which(await find(Settings(base_url=server.url)), wanted)


async def test_takes_what_is_loaded_and_not_what_is_merely_known(server: ModelServer) -> None:
    server.models, server.loaded = [PHI, SMOL], [SMOL]
    assert await ask(server, "auto") == SMOL
    with pytest.raises(Problem) as problem:
        await ask(server, "phi-4-mini")
    assert problem.value.cause == "model-not-loaded"


async def test_a_server_that_is_not_foundry_has_all_its_models_ready(server: ModelServer) -> None:
    server.models, server.knows_loaded = ["llama3:latest"], False
    assert await ask(server, "auto") == "llama3:latest"
    assert await ask(server, "llama3") == "llama3:latest"


async def test_passes_on_what_gateway_and_relay_say(server: ModelServer) -> None:
    server.refuses = (
        "503 Service Unavailable",
        {"error": {"message": "x", "type": "stack_error", "code": "foundry-not-running"}},
    )
    with pytest.raises(Problem) as problem:
        await ask(server, "auto")
    assert problem.value.cause == "foundry-not-running"
    server.refuses = None
    assert await ask(server, "auto") == SMOL, "the next message just works"


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
async def test_something_else_on_the_port_is_named_as_such(server: ModelServer, status: str) -> None:
    server.refuses = (status, {"hello": "world"})
    with pytest.raises(Problem) as problem:
        await ask(server, "auto")
    assert problem.value.cause == "not-a-model-server"
    assert server.url in problem.value.what


async def test_offers_what_is_loaded_and_names_the_others(server: ModelServer) -> None:
    server.models, server.loaded = [PHI, SMOL, "qwen3-embedding-0.6b-generic-cpu:1"], [SMOL, "whisper-tiny:1"]
    assert await offered(await find(Settings(base_url=server.url))) == Models((SMOL,), (PHI,))


async def test_sees_at_once_what_is_loaded_and_asks_for_the_catalog_once(server: ModelServer) -> None:
    server.models, server.loaded = [PHI, SMOL], [SMOL]
    where = await find(Settings(base_url=server.url))
    await offered(where)
    server.loaded = [SMOL, PHI]
    assert await offered(where) == Models((SMOL, PHI), ())
    assert [request.target for request in server.requests].count("/v1/models") == 1
    server.models, server.loaded = [PHI, SMOL, BIG, REASONING], [SMOL, BIG]
    assert await offered(where) == Models((SMOL, BIG), (PHI, REASONING)), "what it had heard is out of date"


async def test_all_models_of_another_kind_of_server_are_offered(server: ModelServer) -> None:
    server.models, server.knows_loaded = ["llama3:latest", "mistral:7b"], False
    assert await offered(await find(Settings(base_url=server.url))) == Models(("llama3:latest", "mistral:7b"), ())


def test_a_model_that_is_not_loaded_comes_with_the_command_that_loads_it() -> None:
    with pytest.raises(Problem) as problem:
        choose(PHI, [SMOL], [SMOL, PHI])
    assert f"`python3 scripts/foundry.py load {PHI}`" in problem.value.fix
    assert SMOL in problem.value.fix
