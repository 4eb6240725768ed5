"""Many chats at once, some private and some not, while both places that could answer them fail in turn."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Literal, Protocol, get_args

from fakes.chat_people import Person
from fakes.cloud import Habit
from fakes.cloud_container import CloudWitness

Policy = Literal["local", "local-first", "complexity", "task"]
Here = Literal["answers", "slow", "down", "closes", "cut", "error-event", "too-long", "hangs"]
Kind = Literal[
    "harmless",
    "marked",  # by the button beside the box
    "marked-earlier",  # the first question; the second one is harmless
    "switched",  # the chat is set to private
    "switched-earlier",  # for its first question, and back for the second
    "found",  # by its form
    "found-earlier",
    "found-in-file",
    "declined",  # not private, but the user says no when he is asked
]
PRIVATE = tuple(kind for kind in get_args(Kind) if kind != "harmless")
SEND, KEEP, MARKED = "send-to-cloud", "keep-here", "Private"
THERE: Sequence[Habit] = ("500", "429", "slow", "cut", "closes", "hangs", "401", "page")
PATIENCE = 4.0  # seconds; then the user presses Stop
ROUND, FIRST, BATCH = 50, 18, 16  # chats; so many of them while the cloud is well, and then with a fault each

# Of each kind that is found by its form; reserved or made up, with check digits that are right. {} is the chat's mark.
FORMS = (
    "{}@example.com",
    "+48 601 123 456 ({})",
    "DE89 3704 0044 0532 0130 00 ({})",
    "4111 1111 1111 1111 ({})",
    "PESEL 44051401359 ({})",
    "password: Tr0ub4dor-{}",
    "AKIAIOSFODNN7EXAMPLE ({})",
)
NEVER = ("@example.com", "601 123 456", "DE89 3704", "4111 1111", "44051401359", "Tr0ub4dor", "AKIAIOSFODNN7EXAMPLE")


@dataclass
class Mixed:
    """One chat.

    Attributes:
        mark: stands in what may not leave, or, if it is harmless, in what may.
        errors: what the page said went wrong.
        answered: how many of its questions got text.
    """

    kind: Kind
    mark: str
    form: str
    here: Here = "answers"
    errors: list[str] = field(default_factory=list)
    answered: int = 0


class Around(Protocol):
    """What the chats happen in, however it runs."""

    witness: CloudWitness

    @property
    def person(self) -> Person:
        """Who asks."""

    def begin(self, policy: Policy) -> None:
        """Start the chat app anew, which forgets who has failed."""

    def behave_here(self, habit: Here) -> None:
        """The model on this machine, from now on."""


def mixed(seed: int, count: int) -> list[Mixed]:
    """So many, a third of them harmless; the same ones each time but for their marks."""
    chosen = random.Random(seed)  # noqa: S311  (a mix, no secret)
    kinds: list[Kind] = [chosen.choice(PRIVATE) if number % 3 else "harmless" for number in range(count)]
    chosen.shuffle(kinds)
    return [Mixed(kind, f"mark{uuid.uuid4().hex[:14]}", chosen.choice(FORMS)) for kind in kinds]


async def hold_all(around: Around, chats: Sequence[Mixed], said: Callable[[str], None] = print) -> None:
    """Hold them, in rounds: each policy is tried with each fault of the cloud, and each of this machine's."""
    policies, heres, theres = cycle(get_args(Policy)), cycle(get_args(Here)), cycle(THERE)
    for at in range(0, len(chats), ROUND):
        policy = next(policies)
        await asyncio.to_thread(around.begin, policy)
        one_round = chats[at : at + ROUND]
        batches = [one_round[:FIRST], *(one_round[start : start + BATCH] for start in range(FIRST, ROUND, BATCH))]
        for number, batch in enumerate(batches):
            here, there = next(heres), next(theres) if number else "answers"
            around.behave_here(here)
            await asyncio.to_thread(around.witness.behave, there)
            said(f"{policy}: {len(batch)} chats, this machine: {here}, the cloud: {there}")
            for chat in batch:
                chat.here = here
            async with asyncio.TaskGroup() as together:
                for chat in batch:
                    together.create_task(_hold(around.person, chat))
    around.behave_here("answers")


async def _hold(person: Person, chat: Mixed) -> None:
    async with person.opens_the_page(panel=False) as page:
        page.presses = KEEP if chat.kind == "declined" else SEND
        if chat.kind.startswith("switched"):
            await page.set(switch="private")
        files = []
        if chat.kind == "found-in-file":
            files.append(await page.attach("notes.txt", f"Notes. {chat.form.format(chat.mark)}".encode()))
        for number, question in enumerate(_questions(chat)):
            if number and chat.kind == "switched-earlier":
                await page.set(switch="as-configured")
            command = MARKED if number == 0 and chat.kind.startswith("marked") else None
            await page.begin(question, files if number == 0 else [], command=command)
            await _end(page.end, page.stop)
            chat.errors += page.answer.errors
            chat.answered += bool(page.answer.text)


async def _end(end: Callable[[float], Awaitable[object]], stop: Callable[[], Awaitable[None]]) -> None:
    try:
        await end(PATIENCE)
    except TimeoutError:
        await stop()
        await end(60)


def _questions(chat: Mixed) -> list[str]:
    of_form = f"Please note this down. {chat.form.format(chat.mark)}"
    match chat.kind:
        case "found":
            return [f"{ASKS_FOR_MUCH} {of_form}"]
        case "found-in-file":
            return [ASKS_FOR_MUCH]
        case "found-earlier":
            return [of_form, ASKS_FOR_MUCH]
        case "marked-earlier" | "switched-earlier":
            return [f"This is between us: {chat.mark}.", ASKS_FOR_MUCH]
        case _:
            return [f"{ASKS_FOR_MUCH} It is about {chat.mark}."]


# For the cloud by each policy: by its complexity, by its task, and where this machine fails.
ASKS_FOR_MUCH = (
    "Write a poem. Compare, step by step and in detail, the pros and cons of rain; evaluate the trade-offs and explain "
    "why. What is best? Why?"
)
