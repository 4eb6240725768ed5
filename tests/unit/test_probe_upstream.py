"""What the probe makes of a model server's answers: the body counts, not the status."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from fakes.model_server import ModelServer
from stack.probes import causes, upstream
from stack.probes.report import Status
from stack.probes.upstream import Answer, first_token, judge_status, matching, model_state

PHI = "Phi-4-mini-instruct-generic-cpu:3"
PHI_GPU = "Phi-4-mini-instruct-cuda-gpu:3"
BIG_PHI = "Phi-4-generic-cpu:1"
EMBED = "nomic-embed-text-generic-cpu:1"
REFUSED = {"message": "told by the door", "type": "stack_error"}


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as http:
        yield http


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (200, '{"endpoints": ["http://127.0.0.1:1"], "modelCachePath": "/x", "pid": 1}', None),
        (200, "<!doctype html><title>Welcome</title>", "foundry-port-taken-by-other"),
        (200, '{"status": "ok"}', "foundry-port-taken-by-other"),
        (404, '{"error": {"message": "no such page"}}', "foundry-port-taken-by-other"),
        (401, "who are you?", "foundry-port-taken-by-other"),
        (302, "", "foundry-port-taken-by-other"),
        (403, '{"error": {"code": "not-allowed", "message": "m", "type": "stack_error"}}', "unknown"),
        (429, "slow down", "unknown"),
        (503, '{"error": {"code": "relay-down", "message": "m", "type": "stack_error"}}', "relay-down"),
        (401, '{"error": {"code": "relay-token-wrong", "message": "m", "type": "stack_error"}}', "relay-token-wrong"),
        (503, '{"error": {"code": "foundry-not-running", "message": "m"}}', "foundry-not-running"),
        (504, '{"error": {"code": "foundry-hangs", "message": "m"}}', "foundry-hangs"),
        (500, '{"error": {"code": "made-up", "message": "m"}}', "unknown"),
        (503, '{"error": "just text"}', "unknown"),
        (200, "[]", "foundry-port-taken-by-other"),
    ],
)
def test_status(status: int, body: str, cause: str | None) -> None:
    assert judge_status(Answer(status, "", "", body)).cause == cause


@pytest.mark.parametrize(
    ("wanted", "ids", "meant"),
    [
        ("auto", [PHI, EMBED], [PHI]),
        ("AUTO", [EMBED], []),
        ("phi-4-mini", [PHI, PHI_GPU, BIG_PHI], [PHI, PHI_GPU]),
        ("phi-4", [PHI, BIG_PHI], [BIG_PHI]),
        ("phi", [PHI], [PHI]),
        ("ph", [PHI], []),
        (PHI, [PHI, PHI_GPU], [PHI]),
    ],
)
def test_which_ids_a_name_stands_for(wanted: str, ids: list[str], meant: list[str]) -> None:
    assert matching(ids, wanted) == meant


@pytest.mark.parametrize(
    ("known", "loaded", "wanted", "cause"),
    [
        ([PHI], [PHI], ("auto", "auto"), None),
        ([PHI, PHI_GPU], [PHI_GPU], ("phi-4-mini", "gpu"), None),
        ([PHI, PHI_GPU], [PHI], ("phi-4-mini", "gpu"), "model-on-other-device"),
        ([PHI, BIG_PHI], [PHI], ("phi-4", "auto"), "model-not-loaded"),
        ([PHI], [], ("auto", "auto"), "model-not-loaded"),
        ([], [], ("auto", "auto"), "model-unknown"),
        ([PHI], [PHI], ("qwen", "auto"), "model-unknown"),
    ],
)
async def test_model(  # noqa: PLR0917  (pytest passes them by name)
    server: ModelServer,
    http: httpx.AsyncClient,
    known: list[str],
    loaded: list[str],
    wanted: tuple[str, str],
    cause: str | None,
) -> None:
    """``wanted``: MODEL and DEVICE."""
    server.models, server.loaded = known, loaded
    assert (await model_state(http, server.url, *wanted)).cause == cause


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("phi-4-minny-instruct", "set MODEL in .env to Phi-4-mini-instruct or Phi-4, or to auto"),
        ("qwen", "set MODEL in .env to Phi-4-mini-instruct or Phi-4, or to auto"),
    ],
)
async def test_the_fix_for_an_unknown_model_names_what_there_is(
    server: ModelServer, http: httpx.AsyncClient, wanted: str, said: str
) -> None:
    """`up` alone would refuse the same name again."""
    server.models = [EMBED, PHI, PHI_GPU, BIG_PHI]
    outcome = await model_state(http, server.url, wanted)
    assert said in causes.fix("model-unknown", **outcome.names)


async def test_evidence_names_variant_and_device(server: ModelServer, http: httpx.AsyncClient) -> None:
    server.models = [PHI_GPU]
    outcome = await model_state(http, server.url, "auto")
    assert outcome.status is Status.OK
    assert outcome.evidence == f"{PHI_GPU} on gpu"


async def test_a_door_that_refuses_the_list_is_named(server: ModelServer, http: httpx.AsyncClient) -> None:
    server.refuses = ("503 Service Unavailable", {"error": REFUSED | {"code": "foundry-not-running"}})
    assert (await model_state(http, server.url, "auto")).cause == "foundry-not-running"


async def token(server: ModelServer, http: httpx.AsyncClient) -> str | None:
    return (await first_token(http, server.url, server.models[0])).cause


async def test_tokens_and_a_proper_end_are_well(server: ModelServer, http: httpx.AsyncClient) -> None:
    assert await token(server, http) is None
    assert server.completions[0].json["max_tokens"] <= 8


@pytest.mark.parametrize("habit", ["cut", "reset"])
async def test_a_cut_stream(server: ModelServer, http: httpx.AsyncClient, habit: str) -> None:
    server.habit = habit  # type: ignore[assignment]
    assert await token(server, http) == "stream-cut"


async def test_a_stream_without_its_end(server: ModelServer, http: httpx.AsyncClient) -> None:
    server.finish_reason = None
    assert await token(server, http) == "stream-cut"


async def test_an_error_event(server: ModelServer, http: httpx.AsyncClient) -> None:
    server.error = {"message": "fell over"}
    assert await token(server, http) == "stream-error-event"


async def test_no_text(server: ModelServer, http: httpx.AsyncClient) -> None:
    server.tokens = []
    assert await token(server, http) == "empty-answer"


async def test_silence(server: ModelServer, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "TOKEN_SECONDS", 0.2)
    server.habit = "hangs-midway"
    assert await token(server, http) == "foundry-hangs"


@pytest.mark.parametrize(
    ("status", "error", "cause"),
    [
        ("400 Bad Request", {"message": "Model not loaded: x"}, "model-not-loaded"),
        ("404 Not Found", {"message": "no such model"}, "model-unknown"),
        ("500 Internal Server Error", {"message": "tools"}, "unknown"),
        ("401 Unauthorized", REFUSED | {"code": "relay-token-wrong"}, "relay-token-wrong"),
    ],
)
async def test_a_refusal(
    server: ModelServer, http: httpx.AsyncClient, status: str, error: dict[str, str], cause: str
) -> None:
    server.chat_refuses = (status, {"error": error})
    assert await token(server, http) == cause
