"""A chat that is opened again goes on as it was left: what was set, what its files said, and what the page shows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from chat import personas
from chat.context import IMPOSSIBLE
from fakes.chat_people import Person
from fakes.open_chat import OpenChat
from fakes.whole_way import WholeWay

FACT = "The code is kestrel-7."
SOON = 20.0


def questions(way: WholeWay, since: int) -> list[dict[str, Any]]:
    """What reached the model, asked in either way; not what only asks for the model's limit."""
    asked = [each.json for each in way.foundry.requests[since:] if each.method == "POST"]
    return [each for each in asked if each.get("max_tokens") != IMPOSSIBLE]


async def stored(guest: Person, chat_id: str, answers: int) -> None:
    """Wait until so many answers are kept."""
    async with guest.on_the_page() as user, asyncio.timeout(SOON):
        while True:
            kept = (await user.call("GET", f"/project/thread/{chat_id}")).json().get("steps") or []
            if sum("answered-by" in (each.get("metadata") or {}) for each in kept) == answers:
                return
            await asyncio.sleep(0.05)


def shown(page: OpenChat, kind: str) -> list[str]:
    """What the page that was opened again has of that kind."""
    (thread,) = page.heard("resume_thread")
    return [each["output"] for each in thread["steps"] if each["type"] == kind]


async def test_it_goes_on_as_it_was_left(way: WholeWay, guest: Person) -> None:
    writer = personas.named("Writer")
    async with guest.opens_the_page(persona=writer.name) as page:
        await page.set(max_tokens="77")
        before = await page.ask("What is the code?", [await page.attach("facts.txt", FACT.encode())])
        assert (before.errors, before.order[-1]) == ([], "figures_message")
        chat_id = await page.chat_id()
    await stored(guest, chat_id, 1)
    asked = len(way.foundry.requests)
    async with guest.opens_the_page(chat_id=chat_id) as page:
        await page.resumed()
        assert shown(page, "figures_message") == [before.asides[-1]["output"]]
        assert {each["id"]: each["initial"] for each in page.settings}["max_tokens"] == 77
        after = await page.ask("Are you sure?")
        assert (after.errors, after.notices, bool(after.text)) == ([], [], True)
    (told,) = questions(way, asked)
    assert (told["max_output_tokens"], told["instructions"]) == (77, writer.system_prompt)
    assert [each["role"] for each in told["input"]] == ["user", "assistant", "user"]
    assert FACT in told["input"][0]["content"]


async def test_its_newest_answer_can_be_made_again(way: WholeWay, guest: Person) -> None:
    async with guest.opens_the_page() as page:
        await page.ask("What is one?")
        chat_id = await page.chat_id()
    await stored(guest, chat_id, 1)
    async with guest.opens_the_page(chat_id=chat_id) as page:
        await page.hears("action")
        page.show_resumed()
        asked = len(way.foundry.requests)
        answer = await page.again()
        assert (answer.errors, bool(answer.text), len(page.buttons)) == ([], True, 1)
    await stored(guest, chat_id, 1)
    (told,) = questions(way, asked)
    assert [each["content"] for each in told["messages"]] == ["What is one?"]


async def of_two_questions(guest: Person) -> str:
    """A chat that was left, with both answers kept; its id."""
    async with guest.opens_the_page() as page:
        for question in ("What is one?", "What is two?"):
            await page.ask(question)
        chat_id = await page.chat_id()
    await stored(guest, chat_id, 2)
    return chat_id


async def said(guest: Person, chat_id: str) -> list[str]:
    """The questions that are kept, in their order."""
    async with guest.on_the_page() as user:
        kept = (await user.call("GET", f"/project/thread/{chat_id}")).json()["steps"]
    return [each["output"] for each in kept if each["type"] == "user_message"]


async def test_a_page_that_was_away_is_told_nothing_twice(way: WholeWay, guest: Person) -> None:
    chat_id = await of_two_questions(guest)
    async with guest.opens_the_page(chat_id=chat_id) as page:
        await page.resumed()
        await page.comes_back()
        page.show_resumed()
        asked = len(way.foundry.requests)
        await page.edit(1, "What is three?")
        (told,) = questions(way, asked)
        assert [each["content"] for each in told["input"] if each["role"] == "user"] == [
            "What is one?",
            "What is three?",
        ]
        assert len(page.buttons) == 1
    await stored(guest, chat_id, 2)
    assert await said(guest, chat_id) == ["What is one?", "What is three?"]


@pytest.fixture
def slowly(way: WholeWay) -> Iterator[None]:
    """The model takes its time."""
    way.foundry.answer_to, way.foundry.seconds_a_chunk = lambda _: ["word "] * 40, 0.1
    yield
    way.foundry.answer_to, way.foundry.seconds_a_chunk = None, 0.0


async def test_a_page_that_was_away_in_an_answer_is_told_that_it_goes_on(guest: Person, slowly: None) -> None:
    async with guest.opens_the_page() as page:
        await page.begin("What is one?")
        await page.first_text()
        await page.comes_back()  # to which Chainlit itself says that nothing is under way
        async with asyncio.timeout(SOON):
            while [name for name, _ in page.events if name.startswith("task_")][-1] != "task_start":
                await asyncio.sleep(0.02)
        answer = await page.end()
        assert answer.text.split()[-1] == "word"
        chat_id = await page.chat_id()
    await stored(guest, chat_id, 1)


async def test_its_questions_can_be_edited_and_its_answers_made_again(way: WholeWay, guest: Person) -> None:
    chat_id = await of_two_questions(guest)
    asked = len(way.foundry.requests)
    async with guest.opens_the_page(chat_id=chat_id) as page:
        await page.resumed()
        page.show_resumed()
        for answer in (await page.edit(1, "What is three?"), await page.again()):
            assert (answer.errors, bool(answer.text)) == ([], True)
        assert len([each for each in page.messages if each.type == "assistant_message"]) == 2
    await stored(guest, chat_id, 2)
    said = ["What is one?", "What is three?"]
    for told in questions(way, asked):
        assert [each["content"] for each in told["input"] if each["role"] == "user"] == said
