"""A chat in the running stack, held by the real Foundry Local: what is stored, how long, and what it is good for."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker.models.containers import Container

from fakes.chat_container import is_back, kill_the_app
from fakes.chat_people import Person
from fakes.open_chat import OpenChat
from fakes.witness import witnessing
from stack.parts.foundry import record
from stack.settings import Settings

SECONDS = 20
START_SECONDS = 90
NOTE = "The train left in the morning and the sea was calm all day long. "
# Long, with short answers: after one that MAX_TOKENS cuts, the next turn is computed whole.
QUESTIONS = [
    f"My notes: {NOTE * 4}\nWhat is the capital of {country}?"
    for country in ("France", "Germany", "Italy", "Spain", "Poland", "Greece", "Japan", "Egypt")
]

Stored = list[dict[str, Any]]


@pytest.fixture
async def chat(user: Person) -> AsyncIterator[OpenChat]:
    async with user.opens_the_page() as page:
        yield page


@pytest.fixture
def stored(settings: Settings) -> Callable[[], Stored]:
    """What Foundry Local shows, at its own port, of what was not there before; the oldest first."""
    present = record.read(settings.state)
    assert present

    def look() -> Stored:
        listed: Stored = httpx.get(f"{present.url}/v1/responses", trust_env=False).json()["data"]
        return [response for response in reversed(listed) if response["id"] not in before]

    before: set[str] = set()
    before.update(response["id"] for response in look())
    return look


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.05)


def told_whole(settings: Settings, chat: OpenChat) -> float:
    """Seconds to the first token of an answer to the same conversation, asked without anything held."""
    door = f"http://127.0.0.1:{settings.foundry_port}"
    (model,) = httpx.get(f"{door}/models/loaded").json()
    role = {"user_message": "user", "assistant_message": "assistant"}
    messages = [{"role": role[each.type], "content": each.text} for each in chat.messages if each.type in role]
    body = {"model": model, "messages": messages[:-1], "max_tokens": 4, "stream": True}
    asked = time.monotonic()
    with httpx.stream("POST", f"{door}/v1/chat/completions", json=body, timeout=120) as answer:
        for line in answer.iter_lines():
            if '"content":"' in line and '"content":""' not in line:
                return time.monotonic() - asked
    raise AssertionError("no token came")


async def test_eight_turns_and_the_first_token_comes_as_soon(
    settings: Settings, chat: OpenChat, stored: Callable[[], Stored]
) -> None:
    seconds = []
    for question in QUESTIONS:
        answer = await chat.ask(question)
        assert answer.text
        assert answer.first_text_seconds
        seconds.append(answer.first_text_seconds)
    chain = stored()
    assert len(chain) == len(QUESTIONS) - 1
    assert [turn["previous_response_id"] for turn in chain] == [None, *(turn["id"] for turn in chain[:-1])]
    prompts = [turn["usage"]["input_tokens"] for turn in chain]
    assert prompts == sorted(prompts)
    whole = statistics.median(told_whole(settings, chat) for _ in range(3))
    print(f"first tokens: {seconds}; the last one told whole: {whole:.2f} s; prompts: {prompts}")
    assert statistics.median(seconds[-3:]) < whole / 2


async def test_nothing_stays_when_the_page_is_left(user: Person, stored: Callable[[], Stored]) -> None:
    async with user.opens_the_page() as chat:
        await chat.ask("What is the capital of France?")
        assert stored() == [], "a single question"
        await chat.ask("And of Germany?")
        assert len(stored()) == 1
    await until(lambda: stored() == [])


async def test_an_edited_question_leaves_nothing_of_the_first(chat: OpenChat, stored: Callable[[], Stored]) -> None:
    await chat.ask("What is the capital of France?")
    await chat.ask("And of Germany?")
    (before,) = stored()
    answer = await chat.edit(1, "And of Italy?")
    (after,) = stored()
    assert after["id"] != before["id"]
    assert after["output_text"] == answer.text
    assert "Rome" in answer.text


async def test_another_answer_is_in_the_first_one_s_place(chat: OpenChat, stored: Callable[[], Stored]) -> None:
    await chat.ask("Name a colour.")
    await chat.ask("Name another one.")
    (before,) = stored()
    answer = await chat.again()
    (after,) = stored()
    assert after["id"] != before["id"]
    assert after["temperature"] > 0
    shown = [message.text for message in chat.messages if message.type == "assistant_message"]
    assert len(shown) == 2
    assert shown[1] == answer.text
    assert len(chat.buttons) == 1


async def test_a_stopped_answer_is_kept_and_not_stored(chat: OpenChat, stored: Callable[[], Stored]) -> None:
    await chat.ask("What is the capital of France?")
    await chat.ask("And of Germany?")
    await chat.begin("Write a long story about a sailor and the sea.")
    await chat.first_text()
    await chat.stop()
    answer = await chat.end()
    assert answer.text.endswith("*(stopped)*")
    assert len(stored()) == 1
    assert "Paris" in (await chat.ask("What is the capital of France?")).text
    assert len(stored()) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may end another user's process")
async def test_what_a_killed_app_held_is_gone_when_it_is_back(
    chat: OpenChat, stored: Callable[[], Stored], container: Callable[[str], Container]
) -> None:
    await chat.ask("What is the capital of France?")
    await chat.ask("And of Germany?")
    assert len(stored()) == 1
    chainlit = container("chainlit")
    started = chainlit.attrs["State"]["StartedAt"]
    kill_the_app(chainlit)
    async with asyncio.timeout(START_SECONDS):
        while not await asyncio.to_thread(is_back, chainlit, started):
            await asyncio.sleep(0.2)
    await until(lambda: stored() == [])


async def test_evicted_it_is_told_again_unseen(
    settings: Settings, chat: OpenChat, stored: Callable[[], Stored]
) -> None:
    await chat.ask("What is the capital of France?")
    await chat.ask("And of Germany?")
    present = record.read(settings.state)
    assert present
    for turn in stored():
        httpx.delete(f"{present.url}/v1/responses/{turn['id']}", trust_env=False).raise_for_status()
    answer = await chat.ask("And of Italy?")
    assert "Rome" in answer.text
    assert not [message for message in chat.messages if message.error]
    (turn,) = stored()
    assert turn["previous_response_id"] is None
    assert turn["usage"]["input_tokens"] > 80, "the whole conversation"


async def test_another_foundry_local_in_its_place_is_told_everything(
    settings: Settings, chat: OpenChat, stored: Callable[[], Stored], tmp_path: Path
) -> None:
    """As after a restart: it remembers nothing."""
    await chat.ask("What is the capital of France?")
    await chat.ask("And of Germany?")
    assert len(stored()) == 1
    with witnessing(settings, tmp_path) as other:
        assert "Rome" in (await chat.ask("And of Italy?")).text
        listed = httpx.get(f"{other.url}/v1/responses", trust_env=False).json()["data"]
        assert [turn["previous_response_id"] for turn in listed] == [None]
        assert "OpenAIChatCompletions" not in other.calls()
    present = record.read(settings.state)
    assert present
    for turn in stored():  # the chat believes it gone with the restart
        httpx.delete(f"{present.url}/v1/responses/{turn['id']}", trust_env=False)
