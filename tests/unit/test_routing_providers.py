"""The cloud as it is set: the addresses that are understood, what is asked there, and how else after a refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from chat.asking import Ending, Target, completion
from chat.context import known_limit
from chat.problems import Problem
from chat.routing import providers
from chat.routing.providers import Provider, cloud, understood
from chat.settings import Settings
from fakes.cloud_addresses import REFUSED, UNDERSTOOD
from fakes.model_server import ModelServer

AZURE = "https://mine.openai.azure.com"
KEY = "a-key-of-the-cloud"


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    providers._server.cache_clear()  # what was learned of a server that had the same port
    async with ModelServer() as running:
        running.models = ["gpt-4o"]
        yield running


def provider(url: str, **more: object) -> Provider:
    found = cloud(Settings(cloud_url=url, cloud_model="gpt-4o", cloud_api_key=KEY, **more))  # type: ignore[arg-type]
    assert found
    return found


async def ask(found: Provider) -> str:
    told = completion(Target(found.server, found.model, Settings()), [{"role": "user", "content": "Hello"}], Ending())
    return "".join([piece async for piece in told])


def test_there_is_none_unless_it_is_set() -> None:
    assert cloud(Settings()) is None


@pytest.mark.parametrize(
    ("url", "version", "base", "deployment", "api_version"),
    [
        ("https://api.example.com/v1", None, "https://api.example.com/v1", None, None),
        ("https://api.example.com/v1/", None, "https://api.example.com/v1", None, None),
        ("https://api.example.com", None, "https://api.example.com/v1", None, None),
        ("https://api.example.com/api/v3/chat/completions", None, "https://api.example.com/api/v3", None, None),
        (f"{AZURE}/openai/v1", None, f"{AZURE}/openai/v1", None, None),
        (f"{AZURE}/openai/v1/", "2024-10-21", f"{AZURE}/openai/v1", None, None),
        (AZURE, "2024-10-21", AZURE, None, "2024-10-21"),
        (f"{AZURE}/", "2024-10-21", AZURE, None, "2024-10-21"),
        (f"{AZURE}/openai/deployments/gpt/chat/completions?api-version=2025-01-01", None, AZURE, "gpt", "2025-01-01"),
        (f"{AZURE}/openai/deployments/gpt", "2024-10-21", AZURE, "gpt", "2024-10-21"),
        ("http://127.0.0.1:9/v1", None, "http://127.0.0.1:9/v1", None, None),
        ("http://host.docker.internal:51211/cloud/v1", None, "http://host.docker.internal:51211/cloud/v1", None, None),
    ],
)
def test_addresses(url: str, version: str | None, base: str, deployment: str | None, api_version: str | None) -> None:
    address = understood(url, version, in_stack=True)
    assert (address.base, address.deployment, address.api_version) == (base, deployment, api_version)


@pytest.mark.parametrize(("url", "version", "completions"), UNDERSTOOD)
def test_an_address_means_here_what_it_means_to_the_relay(url: str, version: str, completions: str) -> None:
    client = provider(url, cloud_api_version=version or None).server.client
    assert str(client._prepare_url("/chat/completions")) + _query(client) == completions


@pytest.mark.parametrize("url", REFUSED)
def test_what_the_relay_refuses_is_refused_here_and_not_repeated(url: str) -> None:
    with pytest.raises(Problem) as problem:
        provider(url)
    assert problem.value.cause == "bad-setting"
    assert "secret" not in problem.value.markdown


def _query(client: AsyncOpenAI) -> str:
    version = client.default_query.get("api-version")
    return f"?api-version={version}" if version else ""


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"cloud_url": "api.example.com"}, "CLOUD_URL"),
        ({"cloud_url": "ftp://api.example.com"}, "CLOUD_URL"),
        ({"cloud_url": "https://"}, "CLOUD_URL"),
        ({"cloud_url": "https://host:99999/v1"}, "CLOUD_URL"),
        ({"cloud_url": "https://user:key@host/v1"}, "CLOUD_URL"),
        ({"cloud_url": "http://api.example.com/v1"}, "CLOUD_URL"),
        ({"cloud_url": "http://10.0.0.1/v1"}, "CLOUD_URL"),
        ({"cloud_url": f"{AZURE}/openai/deployments/gpt"}, "CLOUD_API_VERSION"),
        ({"cloud_url": "https://api.example.com/v1", "cloud_model": None}, "CLOUD_MODEL"),
    ],
)
def test_what_can_not_be_used_is_named(settings: dict[str, str], named: str) -> None:
    with pytest.raises(Problem) as problem:
        cloud(Settings(**{"cloud_model": "gpt-4o", **settings}))  # type: ignore[arg-type]
    assert problem.value.cause == "bad-setting"
    assert named in problem.value.fix


async def test_an_openai_compatible_one_gets_one_call_with_a_bearer_key(server: ModelServer) -> None:
    assert await ask(provider(f"{server.url}/v1")) == "".join(server.tokens)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/v1/chat/completions")
    assert request.header("authorization") == [f"Bearer {KEY}"]
    assert request.json["model"] == "gpt-4o"
    assert request.json["messages"] == [{"role": "user", "content": "Hello"}]


async def test_azures_deployments_address_gets_one_call_with_its_own_header(server: ModelServer) -> None:
    server.chat_paths |= {"/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"}
    assert await ask(provider(server.url, cloud_api_version="2024-10-21")) == "".join(server.tokens)
    (request,) = server.requests
    assert request.target == "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    assert request.header("api-key") == [KEY]


async def test_its_context_is_not_asked_for(server: ModelServer) -> None:
    found = provider(f"{server.url}/v1")
    assert await known_limit(found.server, found.model) is None
    assert server.requests == []


def test_in_the_stack_the_token_is_in_a_file_and_the_host_is_named(tmp_path: Path) -> None:
    token = tmp_path / "cloud-token"
    token.write_text("the-stacks\n", encoding="ascii")
    settings = Settings(
        cloud_url="http://host.docker.internal:51211/cloud/v1",
        cloud_model="gpt-4o",
        cloud_token_file=token,
        cloud_shown_as=f"{AZURE}/openai/v1",
    )
    found = cloud(settings)
    assert found
    assert found.host == "mine.openai.azure.com"
    assert found.server.client.api_key == "the-stacks"


def refusal(
    name: str, code: str = "unsupported_parameter", word: str = "Unsupported parameter"
) -> tuple[str, dict[str, object]]:
    error = {"message": f"{word}: '{name}' is not supported with this model.", "param": name, "code": code}
    return "400 Bad Request", {"error": error}


async def test_a_model_that_thinks_first_is_asked_in_its_own_words(server: ModelServer) -> None:
    server.chat_refuses_first = [refusal("max_tokens"), refusal("temperature", "unsupported_value"), refusal("top_p")]
    found = provider(f"{server.url}/v1")
    assert await ask(found) == "".join(server.tokens)
    asked = server.requests[-1].json
    assert asked["max_completion_tokens"] == Settings().max_tokens
    assert not {"max_tokens", "temperature", "top_p"} & set(asked)
    await ask(found)
    assert len(server.requests) == 5, "what was learned is forgotten again"


async def test_an_older_azure_does_without_usage(server: ModelServer) -> None:
    server.chat_refuses_first = [
        (
            "400 Bad Request",
            {"error": {"message": "Unrecognized request argument supplied: stream_options", "code": None}},
        )
    ]
    await ask(provider(f"{server.url}/v1"))
    assert "stream_options" not in server.requests[-1].json


@pytest.mark.parametrize(
    "refused",
    [
        (
            "400 Bad Request",
            {"error": {"message": "max_tokens must be at least 1", "param": "max_tokens", "code": "invalid"}},
        ),
        ("400 Bad Request", {"error": {"message": "The content is filtered", "code": "content_filter"}}),
        ("500 Internal Server Error", refusal("max_tokens")[1]),
    ],
)
async def test_what_is_refused_for_another_reason_is_not_asked_again(
    server: ModelServer, refused: tuple[str, dict[str, object]]
) -> None:
    server.chat_refuses = refused
    with pytest.raises(Problem):
        await ask(provider(f"{server.url}/v1"))
    assert len(server.requests) == 1


async def test_who_refuses_all_parameters_is_not_asked_for_ever(server: ModelServer) -> None:
    server.chat_refuses = refusal("max_tokens")
    with pytest.raises(Problem):
        await ask(provider(f"{server.url}/v1"))
    assert len(server.requests) == 2
