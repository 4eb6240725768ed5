"""A question on its way: decided, asked where that was decided, noted before anything leaves, and answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, nullcontext
from dataclasses import dataclass

from chat.answer import Answer
from chat.conversation import ANSWER, Told
from chat.figures import Figures
from chat.memory import Memory
from chat.metrics import Metrics
from chat.problems import Problem
from chat.routing import providers
from chat.routing.audit_log import AuditLog, Entry, Event
from chat.routing.breaker import Breaker, State
from chat.routing.decision import PLACES, Place, Question
from chat.routing.failover import Failover, Hooks, KeptHereError, Route
from chat.routing.providers import Provider
from chat.routing.router import Router
from chat.routing.rules import Rules
from chat.server import Server
from chat.settings import Settings, load

log = logging.getLogger("chat")

ROUTE = "answered-at"
"""The key in an answer's metadata that holds where it was made and why; only where there was a choice."""

BREAKERS: dict[Place, Breaker] = {place: Breaker() for place in PLACES}
"""Of this process."""


def states() -> dict[Place, State]:
    """Who could be asked, and whether he is; nobody where there is no choice."""
    try:
        return {place: breaker.state for place, breaker in BREAKERS.items()} if load().cloud_url else {}
    except Problem:
        return {}


@dataclass(frozen=True)
class Ways:
    """How the app does what a question needs.

    Attributes:
        find: the model on this machine.
        turn: in the line for it; gives the seconds that were waited.
        knobs: as they are now: the user may have changed them while the question waited.
        may_send: asks the user, where he has not been asked.
        chat: its id.
        user: None where nobody signs in.
        is_check: asked by the probe or the monitor: that is nobody's question.
        counted: where it is counted.
    """

    find: Callable[[], Awaitable[tuple[Server, str]]]
    turn: Callable[[], AbstractAsyncContextManager[float]]
    knobs: Callable[[], Awaitable[Settings]]
    may_send: Callable[[str, str], Awaitable[bool]]
    chat: str
    user: str | None
    is_check: bool
    counted: Metrics


class Asked:
    """One question, and its answer from wherever it comes.

    Attributes:
        memory: of the chat, for who answers.
        where: the server on this machine, where it was found.
        coming: the answer, from when somebody was asked for it.
        figures: of it.
    """

    def __init__(
        self,
        question: Question,
        told: Sequence[Told],
        knobs: Settings,
        memory: Memory,
        ways: Ways,
    ) -> None:
        self._question = question
        self._told = told
        self._knobs = knobs
        self._memory = self.memory = memory
        self._ways = ways
        self._provider: Provider | None = None
        self._failover: Failover | None = None
        self._sent: Entry | None = None
        self.where: Server | None = None
        self.coming: Answer | None = None
        self.figures: Figures | None = None

    @property
    def answer(self) -> Answer:
        """What came; there is one when `pieces` has come to its end."""
        if self.coming is None:
            raise LookupError("nobody has been asked")
        return self.coming

    @property
    def metadata(self) -> dict[str, object]:
        """What is kept with the answer."""
        if not self.figures:
            return {}
        known: dict[str, object] = {ANSWER: self.figures.model}
        if self._provider and self._route:
            host = self._provider.host if self._route.place == "cloud" else None
            known[ROUTE] = {"place": self._route.place, "why": self._route.why, "host": host}
        return known

    async def pieces(self) -> AsyncGenerator[str]:
        """The answer as it comes.

        Raises:
            Problem: as it goes wrong.
        """
        self._provider = providers.cloud(self._knobs)
        router = Router(Rules.of(self._knobs))
        if self._provider is None:
            decision = router.decide(self._question)
        else:  # reading long texts takes a moment, in which others go on
            resting = [place for place, breaker in BREAKERS.items() if breaker.rests]
            decision = await asyncio.to_thread(router.decide, self._question, resting)
        hooks = Hooks(self._before, self._place_failed)
        self._failover = Failover(decision, self._ask, BREAKERS, self._knobs.routing_seconds, hooks)
        outcome: Event = "stopped"
        try:
            async with aclosing(self._failover.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
            outcome = "answered"
        except Problem as problem:
            outcome = "failed"
            self._note_end(outcome, problem.cause)
            raise
        finally:
            self._note_end(outcome)

    @property
    def _route(self) -> Route | None:
        return self._failover.route if self._failover else None

    async def _before(self, route: Route) -> None:
        if self._provider is None:
            return
        if route.place == "cloud":
            await self._leave(route, self._provider)
        elif self._ways.is_check:
            return
        else:
            self._note(Entry("kept-here", self._ways.chat, self._ways.user, route.why))
        self._ways.counted.routed(route.place, route.why)

    async def _leave(self, route: Route, provider: Provider) -> None:
        """Everything that must be so before anything is sent.

        Raises:
            KeptHereError: it is not.
            Problem: ``audit-log-unwritable``.
        """
        if not await self._ways.may_send(provider.host, route.words):
            raise KeptHereError("declined", "you have not agreed to the cloud")
        if (await self._ways.knobs()).switch != "as-configured":  # changed while it waited
            raise KeptHereError("chat-local", "as set for this chat")
        entry = Entry(
            "sending",
            self._ways.chat,
            self._ways.user,
            route.why,
            provider.host,
            provider.model,
            messages=len(self._told),
            characters=sum(len(each["content"]) for each in self._told),
        )
        AuditLog(self._knobs.audit_log).note(entry)
        self._sent = entry

    async def _ask(self, place: Place) -> AsyncGenerator[str]:
        if place == "cloud":
            assert self._provider  # noqa: S101  (the router knows no cloud without one)
            begun = self._begin(self._provider.server, self._provider.model, self._memory.of_cloud, 0.0)
            async with aclosing(begun.pieces()) as pieces:
                async for piece in pieces:
                    yield piece
            return
        self.where, which = await self._ways.find()
        async with AsyncExitStack() as for_the_answer:
            with self._failover.not_counted() if self._failover else nullcontext():
                waited = await for_the_answer.enter_async_context(self._ways.turn())
            begun = self._begin(self.where, which, self._memory, waited)
            async with aclosing(begun.pieces()) as pieces:
                async for piece in pieces:
                    yield piece

    def _begin(self, server: Server, model: str, memory: Memory, waited: float) -> Answer:
        self.memory = memory
        self.coming = Answer(server, model, self._told, self._knobs, memory)
        self.figures = Figures(model, server.root, self.coming, waited)
        if self._provider and self._route:
            self.figures.why = self._route.words
            self.figures.cloud = self._provider.host if self._route.place == "cloud" else None
        return self.coming

    def _place_failed(self, place: Place, problem: Problem) -> None:
        if self._provider is None:
            return
        log.warning("%s gave no answer: %s", place, problem.cause)
        self._ways.counted.place_failed(place, problem.cause)
        if place == "cloud":
            self._note_end("failed", problem.cause)

    def _note_end(self, event: Event, cause: str | None = None) -> None:
        sent, self._sent = self._sent, None
        if sent is None:
            return
        usage = self.coming.usage if self.coming else None
        self._note(
            Entry(
                event,
                sent.chat,
                sent.user,
                cause or sent.why,
                sent.host,
                sent.model,
                tokens_in=usage.prompt_tokens if usage else None,
                tokens_out=usage.completion_tokens if usage else None,
            )
        )

    def _note(self, entry: Entry) -> None:
        """Where nothing is to be sent any more, nothing is lost with the line but the line."""
        try:
            AuditLog(self._knobs.audit_log).note(entry)
        except Problem as full:
            log.warning("%s: %s", full.cause, full.what)
