"""What a user sets in the chat, and the personas: in the next request, for this chat only, and never out of range."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat import personas
from fakes.chat_people import Person
from fakes.model_server import ModelServer
from fakes.open_chat import OpenChat
from fakes.whole_way import WholeWay

SMALL = "smollm2-135m-instruct-generic-cpu:1"
OTHER = "phi-4-mini-instruct-generic-cpu:5"
SOON = 20.0
AWAY = "qwen2.5-7b-instruct-generic-cpu:4"


@pytest.fixture
async def server(way: WholeWay) -> AsyncIterator[ModelServer]:
    """A Foundry Local with two models loaded, and one that is not."""
    async with ModelServer() as running:
        running.models, running.loaded = [SMALL, OTHER, AWAY], [SMALL, OTHER]
        way.relay.lead_to(running.url)
        yield running
        way.relay.lead_to(way.foundry.url)


def last(server: ModelServer) -> dict[str, Any]:
    """The last question to the model, as a completion tells it; a held conversation's begins with what is new."""
    questions = [*server.completions, *server.responses]
    asked: dict[str, Any] = max(questions, key=server.requests.index).json
    if "input" not in asked:
        return asked
    system = [{"role": "system", "content": asked["instructions"]}] if asked.get("instructions") else []
    return {**asked, "max_tokens": asked["max_output_tokens"], "messages": [*system, *asked["input"]]}


def field(page: OpenChat, name: str) -> dict[str, Any]:
    (found,) = (each for each in page.settings if each["id"] == name)
    return found


async def test_without_a_choice_all_is_as_set_for_everybody(server: ModelServer, guest: Person) -> None:
    async with guest.opens_the_page() as page:
        assert (await page.ask("Hello?")).text
    asked = last(server)
    assert asked["messages"] == [{"role": "user", "content": "Hello?"}]
    assert (asked["model"], asked["temperature"], asked["top_p"], asked["max_tokens"]) == (SMALL, 0, 1, 1024)


async def test_what_is_set_counts_from_the_next_message_on_and_for_this_chat_only(
    server: ModelServer, guest: Person
) -> None:
    async with guest.opens_the_page() as page, guest.opens_the_page() as another:
        await page.ask("Hello?")
        seen = await page.set(
            model=OTHER, temperature=0.7, top_p=0.9, max_tokens="77", system_prompt="You are a sailor."
        )
        assert [data["type"] for name, data in seen if name == "toast"] == ["success"]
        for _ in range(2):
            await page.ask("Hello again?")
            asked = last(server)
            assert (asked["model"], asked["temperature"], asked["top_p"], asked["max_tokens"]) == (OTHER, 0.7, 0.9, 77)
            assert asked["messages"][0] == {"role": "system", "content": "You are a sailor."}
        assert field(page, "model")["initial"] == OTHER
        await another.ask("Hello?")
        assert (last(server)["model"], last(server)["temperature"]) == (SMALL, 0)
        assert last(server)["messages"][0]["role"] == "user"


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"temperature": 2.5}, "Temperature must be a number from 0 to 2"),
        ({"top_p": 0}, "Top P must be"),
        ({"max_tokens": "-5"}, "Longest answer (tokens) must be"),
        ({"max_tokens": "99999999"}, "which is all that the model takes"),
        ({"system_prompt": "x" * 9000}, "System prompt must be"),
        ({"model": AWAY}, f"python3 scripts/foundry.py load {AWAY}"),
        ({"model": "gpt-9"}, "There is no model `gpt-9`"),
    ],
)
async def test_what_can_not_be_used_is_said_and_nothing_changes(
    server: ModelServer, guest: Person, sent: dict[str, Any], says: str
) -> None:
    async with guest.opens_the_page() as page:
        await page.set(temperature=0.5)
        (error,) = (data["output"] for _, data in await page.set(**sent) if data.get("isError"))
        assert says in error
        assert field(page, "temperature")["initial"] == 0.5
        assert field(page, "model")["initial"] == "auto"
        await page.ask("Hello?")
        assert (last(server)["temperature"], last(server)["max_tokens"]) == (0.5, 1024)


async def test_loaded_models_are_offered_and_others_come_with_their_command(server: ModelServer, guest: Person) -> None:
    async with guest.opens_the_page() as page:
        models = field(page, "model")
        assert [item["value"] for item in models["items"]] == ["auto", SMALL, OTHER]
        assert f"python3 scripts/foundry.py load {AWAY}" in models["description"]
        server.loaded = server.models
        await page.ask("Hello?")
        async with asyncio.timeout(10):
            while AWAY not in [item["value"] for item in field(page, "model")["items"]]:
                await asyncio.sleep(0.05)


async def test_a_chosen_model_that_goes_away_is_never_replaced_silently(server: ModelServer, guest: Person) -> None:
    async with guest.opens_the_page() as page:
        await page.set(model=OTHER)
        async with asyncio.timeout(SOON):
            while not any(f"**{OTHER}** answers you" in message.text for message in page.messages):
                await asyncio.sleep(0.02)
        server.loaded = [SMALL]
        asked = len(server.completions)
        reply = await page.ask("Hello?")
        assert OTHER in reply.errors[0]
        assert f"Or choose another one in the chat's settings: `{SMALL}`" in reply.errors[0]
        assert len(server.completions) == asked
        await page.set(model="auto")
        assert (await page.ask("Hello?")).text


async def test_a_persona_is_what_the_model_is_told(server: ModelServer, guest: Person) -> None:
    writer = personas.named("Writer")
    async with guest.opens_the_page(persona="Writer") as page:
        assert field(page, "system_prompt")["initial"] == writer.system_prompt
        await page.ask("Hello?")
        assert last(server)["messages"][0] == {"role": "system", "content": writer.system_prompt}
        assert last(server)["temperature"] == writer.temperature
        await page.set(system_prompt=None, temperature=0)
        await page.ask("Hello?")
        assert last(server)["messages"][0]["role"] == "user"
        assert last(server)["temperature"] == 0


async def test_a_persona_that_is_no_more_is_the_plain_one(server: ModelServer, guest: Person) -> None:
    async with guest.opens_the_page(persona="Nobody") as page:
        await page.ask("Hello?")
        assert last(server)["messages"] == [{"role": "user", "content": "Hello?"}]
