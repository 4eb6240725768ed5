"""What goes wrong on an answer's way: asked again unseen until something was shown, and kept and marked after that."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fakes.chat_people import Person
from fakes.foundry import MODEL
from fakes.model_server import ModelServer
from fakes.whole_way import WholeWay

WHOLE = "The capital is Paris."


@pytest.fixture
async def server(way: WholeWay) -> AsyncIterator[ModelServer]:
    """In Foundry Local's place, with its own ways to fail."""
    async with ModelServer() as running:
        running.models = [MODEL]
        way.relay.lead_to(running.url)
        yield running
        way.relay.lead_to(way.foundry.url)


async def test_a_cut_answer_is_kept_marked_and_told_to_the_model(server: ModelServer, guest: Person) -> None:
    async with guest.opens_the_page() as page:
        server.habit, server.cut_after = "cut", 3
        cut = await page.ask("What is one?")
        server.habit = "answers"
        await page.ask("Go on.")
        chat_id = await page.chat_id()
    (error,) = cut.errors
    assert "What came is kept." in error
    assert cut.text.endswith("\n\n*(broken off)*")
    assert cut.text.startswith("The")
    told = (server.completions + server.responses)[-1].json
    assert cut.text in [each["content"] for each in told.get("messages") or told["input"]]
    async with guest.on_the_page() as user:
        steps = (await user.call("GET", f"/project/thread/{chat_id}")).json()["steps"]
    assert cut.text in [each["output"] for each in steps]


async def test_what_fails_before_the_first_word_is_asked_again_unseen(server: ModelServer, guest: Person) -> None:
    async with guest.opens_the_page() as page:
        server.chat_refuses_first = [None, None]
        answer = await page.ask("What is one?")
    assert (answer.text, answer.errors) == (WHOLE, [])
    assert len(server.completions) == 3


async def test_a_server_that_holds_nothing_is_told_everything_unseen(server: ModelServer, guest: Person) -> None:
    server.knows_responses = False
    async with guest.opens_the_page() as page:
        answers = [await page.ask(f"What is {number}?") for number in range(3)]
    assert [(each.text, each.errors) for each in answers] == [(WHOLE, [])] * 3
    told = [each["content"] for each in server.completions[-1].json["messages"]]
    assert told == ["What is 0?", WHOLE, "What is 1?", WHOLE, "What is 2?"]
