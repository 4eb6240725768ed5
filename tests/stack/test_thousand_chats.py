"""A thousand questions over fifty sockets: no token is lost, and nobody gets a word of another's answer."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from chat.context import IMPOSSIBLE
from fakes.chat_people import Person
from fakes.open_chat import OpenChat
from fakes.whole_way import WholeWay

SOCKETS = 50
QUESTIONS = 20  # over each
TOKENS = (1, 80)


def answer_to(question: str) -> list[str]:
    """Of the question alone, as long as it says; every token is one that no other answer has."""
    length = int(question.rpartition(" ")[2])
    return [hashlib.sha256(f"{number} {question}".encode()).hexdigest()[:8] + " " for number in range(length)]


@pytest.fixture
def overheard(way: WholeWay) -> Iterator[list[str]]:
    """Have the stand-in answer so; what of others' chats stood in a question's history."""
    mixed: list[str] = []

    def answer(asked: dict[str, Any]) -> list[str]:
        said = [str(each["content"]) for each in asked["messages"] if each["role"] == "user"]
        whose = {re.match(r"user (\d+)", each)[1] for each in said}  # type: ignore[index]
        if len(whose) != 1:
            mixed.append(" | ".join(said))
        return answer_to(said[-1])

    way.foundry.answer_to = answer
    yield mixed
    way.foundry.answer_to = None


async def asks(number: int, page: OpenChat, lot: random.Random) -> list[str]:
    """One user's questions, one after the other; what was wrong with the answers."""
    wrong = []
    for turn in range(QUESTIONS):
        question = f"user {number} turn {turn} {lot.random()} {lot.randint(*TOKENS)}"
        answer = await page.ask(question)
        if answer.errors or answer.text != "".join(answer_to(question)):
            wrong.append(f"{question}: {answer.errors or answer.text[:60]}")
    return wrong


@pytest.mark.full
@pytest.mark.timeout(900)
async def test_nothing_is_lost_and_nothing_is_mixed(way: WholeWay, guest: Person, overheard: list[str]) -> None:
    lot = random.Random(6)  # noqa: S311
    asked = len(way.foundry.requests)
    async with AsyncExitStack() as pages:
        users = [await pages.enter_async_context(guest.opens_the_page()) for _ in range(SOCKETS)]
        wrong = await asyncio.gather(*(asks(number, page, lot) for number, page in enumerate(users)))
        assert [page.lost for page in users if page.lost] == []
    assert [each for some in wrong for each in some] == []
    assert overheard == []
    questions = [each for each in way.foundry.requests[asked:] if each.method == "POST"]
    chats = Counter(each.target for each in questions if each.json.get("max_tokens") != IMPOSSIBLE)
    assert chats["/v1/chat/completions"] + chats["/v1/responses"] == SOCKETS * QUESTIONS
    assert chats["/v1/responses"] > 0, "some conversations were held"
