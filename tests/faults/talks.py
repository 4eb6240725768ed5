"""People who talk on both pages while something breaks, and who remember every answer that they got."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from itertools import dropwhile
from typing import Protocol

from socketio.exceptions import SocketIOError

from fakes import chat_people, open_webui
from fakes.waiting import wait_until
from stack.settings import Settings

LONG = "Tell me a long story about a lighthouse, with every detail."
LONG_TOKENS = 1000
SHORT_TOKENS = 60
ANSWER_SECONDS = 300.0  # ten long answers at once, on two busy cores


@dataclass(frozen=True)
class Talk:
    """A long answer on its way to a page.

    Attributes:
        pieces: how many pieces of text have come.
        is_over: whether the page has lost its connection, was told of an error, or has it all.
    """

    pieces: Callable[[], int]
    is_over: Callable[[], bool]

    async def goes_on(self) -> None:
        """Assert that more comes."""
        so_far = self.pieces()
        await _wait(lambda: self.pieces() > so_far)
        assert not self.is_over()

    async def ends(self) -> None:
        """Wait for the end of it, whatever that is."""
        await _wait(self.is_over)


class Talker(Protocol):
    """Somebody who is signed in on a page.

    Attributes:
        service: the page's.
        kept: what was said, question and answer, by the id of the chat.
    """

    service: str
    kept: dict[str, list[str]]

    async def gets_answered(self, question: str) -> None:
        """Ask in a new chat, get the whole answer, and see that the page has stored it."""

    def hears_a_long_one(self) -> AbstractAsyncContextManager[Talk]:
        """Ask for a long answer, from its first text on; the page need not be there any more at the end."""

    def finds(self, chat: str) -> list[str]:
        """What the page has of the chat."""


class OnTheChat:
    """On the Chainlit page."""

    service = "chainlit"

    def __init__(self, person: chat_people.Person) -> None:
        self.person = person
        self.kept: dict[str, list[str]] = {}

    async def gets_answered(self, question: str) -> None:
        async with self.person.opens_the_page() as page:
            answer = await page.ask(question, seconds=ANSWER_SECONDS)
            assert answer.text, answer
            assert not answer.errors, answer
            chat = await page.chat_id()
        await _stored(self, chat, [question, answer.text])

    @asynccontextmanager
    async def hears_a_long_one(self) -> AsyncIterator[Talk]:
        with suppress(SocketIOError):  # there may be nobody to say good-bye to
            async with self.person.opens_the_page() as page:
                await page.begin(LONG)
                await page.first_text()
                yield Talk(
                    lambda: page.answer.pieces,
                    lambda: page.lost is not None or bool(page.answer.errors) or page.answer.seconds > 0,
                )

    def finds(self, chat: str) -> list[str]:
        shown = [each for each in self.person.messages(chat) if each["type"] != "system_message"]  # the app's own words
        said = [str(each["output"]) for each in dropwhile(lambda each: each["type"] != "user_message", shown)]
        return said[:2]  # a remark on a long answer may come after them


class OnOpenWebUI:
    """On Open WebUI's page."""

    service = "open-webui"

    def __init__(self, person: open_webui.Person) -> None:
        self.person = person
        self.kept: dict[str, list[str]] = {}

    async def gets_answered(self, question: str) -> None:
        async with self.person.is_being_answered(question, max_tokens=SHORT_TOKENS) as seen:
            await _wait(lambda: seen.ended or seen.lost is not None)
            assert seen.text, seen
            assert not (seen.error or seen.lost), seen
        assert seen.chat
        await _stored(self, seen.chat, [question, seen.text.strip()])

    @asynccontextmanager
    async def hears_a_long_one(self) -> AsyncIterator[Talk]:
        async with self.person.is_being_answered(LONG, max_tokens=LONG_TOKENS) as seen:
            await _wait(lambda: seen.pieces > 0)
            yield Talk(lambda: seen.pieces, lambda: seen.ended or seen.lost is not None or seen.error is not None)

    def finds(self, chat: str) -> list[str]:
        messages = self.person.call("GET", f"/api/v1/chats/{chat}")["chat"]["history"]["messages"]
        return [
            str(each["content"]).strip() for each in sorted(messages.values(), key=lambda each: each["role"] != "user")
        ]


@contextmanager
def people(settings: Settings) -> Iterator[list[Talker]]:
    """One on each page, with accounts of their own that are gone afterwards."""
    with ExitStack() as accounts:
        guest = accounts.enter_context(chat_people.another_user(settings))
        second = accounts.enter_context(open_webui.second_person(open_webui.administrator(settings)))
        yield [OnTheChat(guest), OnOpenWebUI(second)]


def nothing_is_lost(talkers: list[Talker]) -> None:
    """Assert that every answer that anybody ever got is where it was."""
    for talker in talkers:
        assert talker.kept
        assert {chat: talker.finds(chat) for chat in talker.kept} == talker.kept


async def _stored(talker: Talker, chat: str, said: list[str]) -> None:
    await _wait(lambda: talker.finds(chat) == said)
    talker.kept[chat] = said


async def _wait(condition: Callable[[], bool]) -> None:
    """As `wait_until`, while the connections of this loop go on."""
    await asyncio.to_thread(wait_until, condition, ANSWER_SECONDS)
