"""Conversations whose state the model server holds, so that each turn costs only what is new in it.

Foundry Local keeps a conversation's computed state with a stored response (`POST /v1/responses`) and can go on from it.
It has room for few, each takes memory for all of the model's context, and it shows what it stores to anyone who reaches
its own port: so a chat gets one of a few places with its second question, and what it held is deleted when it leaves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic

import openai

from chat import context
from chat.asking import Continuation, Target
from chat.conversation import Told, without_system
from chat.journal import Journal, Record
from chat.problems import Problem
from chat.server import NO_SUCH_CALL, Server, at, is_foundry
from chat.settings import load

DELETE_SECONDS = 5.0
LEAVE_SECONDS = 3.0  # less than the container gets to end

log = logging.getLogger("chat")


class Holder:
    """Who holds a place, and what is to be deleted. One for the whole app."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._places: list[Place] = []
        self._unable: set[str] = set()  # servers that hold nothing
        self._foundry: dict[str, bool] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._leftovers = journal.records

    @property
    def places(self) -> Sequence[Place]:
        """The chats that hold one."""
        return tuple(self._places)

    async def holds_for(self, target: Target) -> int:
        """How many conversations with this model the server is to hold: 0 where it can't, or where too large."""
        server, settings = target.server, target.settings
        if settings.hold_conversations == 0 or server.only_chats or server.root in self._unable:
            return 0
        if server.root not in self._foundry:
            try:
                self._foundry[server.root] = await is_foundry(server)
            except openai.OpenAIError:
                return 0  # the question itself will show what is wrong
        if not self._foundry[server.root]:  # another one may take the question for the whole conversation
            return 0
        limit = await context.known_limit(server, target.model)
        return min(settings.hold_conversations, settings.hold_tokens // limit) if limit else 0

    async def admit(self, place: Place, most: int, asked_before: float | None) -> bool:
        """Whether the chat has a place now. It takes that of one that has been silent since before its last question.

        So chats that take turns do not push each other out again and again, and one that nobody uses does not stay.
        """
        if place in self._places:
            return True
        while len(self._places) >= most:
            silent = min(
                (other for other in self._places if not other.busy), key=lambda other: other.asked, default=None
            )
            if silent is None or asked_before is None or silent.asked > asked_before:
                return False
            self._places.remove(silent)
            await silent.clear()
        self._places.append(place)
        return True

    def leave(self, place: Place) -> None:
        """Its place is free."""
        if place in self._places:
            self._places.remove(place)

    def begun(self, record: Record) -> bool:
        """Note what the server is about to store; False if it can't be noted, and so must not stay."""
        try:
            self._journal.add(record)
        except OSError as full:
            log.warning("Conversations are not held: %s", full)
            self._unable.add(record.root)
            return False
        return True

    def unable(self, server: Server) -> None:
        """It has no such call: it is not asked again."""
        self._unable.add(server.root)

    async def delete(self, server: Server, ids: Iterable[str] = ()) -> None:
        """Have the server forget, though Stop is pressed meanwhile; what can't be deleted now is tried again later."""
        await asyncio.shield(self.later(self._delete(server, [Record(server.root, each) for each in ids])))

    async def _delete(self, server: Server, records: list[Record]) -> None:
        client = server.client.with_options(timeout=DELETE_SECONDS)
        records += [each for each in self._leftovers if each.root == server.root and each not in records]
        self._leftovers = [each for each in self._leftovers if each.root != server.root] + records
        for record in records:
            try:
                await client.responses.delete(record.id)
            except openai.NotFoundError:
                pass  # it is gone already
            except openai.OpenAIError as error:
                log.warning("A stored response could not be deleted: %s", type(error).__name__)
                return
            self._journal.remove(record)
            if record in self._leftovers:
                self._leftovers.remove(record)

    def later(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Do it while nobody waits."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def clear_leftovers(self, api_key: str) -> None:
        """Delete what an app that crashed left behind."""
        for root in {record.root for record in self._leftovers}:
            await self.delete(at(root, api_key))

    async def close(self) -> None:
        """Delete everything: the app ends."""
        for place in self.places:
            self.later(place.end_with_the_app())
        if self._work:
            await asyncio.wait(self._work, timeout=LEAVE_SECONDS)


@dataclass(frozen=True)
class Turn:
    """A conversation up to an answer that is stored; told without the system prompt."""

    told: list[Told]
    id: str


class Place:
    """What the server holds of one chat."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._turns: list[Turn] = []
        self._of: tuple[Server, str, str | None] | None = None  # server, model, system prompt
        self._instructions: str | None = None
        self._told: list[Told] = []
        self._asked_before: float | None = None
        self._coming: str | None = None  # a response that is not part of the conversation yet
        self._ended = False
        self.busy = False
        self.asked = 0.0

    def open(self) -> None:
        """Somebody is there, and asks; it may take a while until that question has its turn."""
        self._ended = False

    def question(self) -> None:
        """The chat asks something; `over` follows."""
        self._asked_before, self.asked = self.asked or None, monotonic()
        self.busy = True

    async def take(self, target: Target, told: Sequence[Told]) -> Continuation | None:
        """How to ask for the answer to ``told``; None: with all of it, the server holds nothing for this chat."""
        system, turns = without_system(told)
        await self._forget_coming()
        if self._of != (of := (target.server, target.model, system)):
            await self.clear()
        await self._cut(self._holding(turns))
        # The first question of a chat costs little, and many chats are that one question.
        most = await self._holder.holds_for(target) if len(turns) > 1 and not self._ended else 0
        if most == 0:
            await self.clear()
            self._holder.leave(self)
            return None
        if not await self._holder.admit(self, most, self._asked_before):
            return None
        self._of, self._told, self._instructions = of, turns, system
        return self._continuation()

    async def refused(self, problem: Problem) -> Continuation | None:
        """What to try when the server did not go on as asked, before it said a word; None: ask with everything."""
        error = problem.__cause__
        held = bool(self._turns)
        await self.clear()
        if isinstance(error, openai.APIStatusError) and error.status_code in NO_SUCH_CALL:
            if held:  # it has restarted, or needed the room for others
                return self._continuation()
            if self._of and "model" not in error.message.lower():
                self._holder.unable(self._of[0])
        self._holder.leave(self)
        return None

    def begun(self, response_id: str) -> None:
        """The answer will be stored under this id."""
        self._coming = response_id
        if self._of and not self._holder.begun(Record(self._of[0].root, response_id)):
            self._ended = True

    def over(self, *, whole: bool) -> None:
        """The answer has ended, or was stopped or cut and so is not stored, or should not be."""
        self.busy = False
        if self._ended:
            self._holder.later(self.end())
        elif not whole and self._coming:
            self._holder.later(self._forget_coming())

    def keep(self, answer: str) -> None:
        """This is the answer as it stands in the conversation from now on."""
        if self._coming is None:
            return
        self._turns.append(Turn([*self._told, {"role": "assistant", "content": answer}], self._coming))
        self._coming = None

    async def end(self) -> None:
        """The chat is over, for now at least."""
        self._ended = True
        self._holder.leave(self)
        if not self.busy:
            await self.clear()

    async def end_with_the_app(self) -> None:
        """The same; what is coming stays noted, and is deleted when it is over, or at the next start."""
        await self.end()
        await self._cut(0)

    async def clear(self) -> None:
        """Nothing is held any more."""
        await self._forget_coming()
        await self._cut(0)

    def _continuation(self) -> Continuation:
        if not self._turns:
            return Continuation(None, self._told, self._instructions)
        last = self._turns[-1]
        return Continuation(last.id, self._told[len(last.told) :], self._instructions)

    def _holding(self, turns: Sequence[Told]) -> int:
        """How many of the stored turns this conversation goes on from."""
        return sum(1 for held in self._turns if len(held.told) < len(turns) and held.told == turns[: len(held.told)])

    async def _cut(self, length: int) -> None:
        gone, self._turns = self._turns[length:], self._turns[:length]
        if gone and self._of:
            await self._holder.delete(self._of[0], [turn.id for turn in reversed(gone)])

    async def _forget_coming(self) -> None:
        """Of an answer that was stopped the server stores nothing, unless it had just come to its end."""
        coming, self._coming = self._coming, None
        if coming and self._of:
            await self._holder.delete(self._of[0], [coming])


@lru_cache(maxsize=1)
def holder() -> Holder:
    """The app's own."""
    return Holder(Journal(load().held_records))


def clean_up() -> None:
    """The app starts: delete what one that crashed left behind, while nobody waits for it."""
    with suppress(Problem):  # a setting that can't be used is said in the chat
        holder().later(holder().clear_leftovers(load().api_key))


async def let_go() -> None:
    """The app ends: nothing stays behind."""
    with suppress(Problem):
        await holder().close()
