"""A question on its way, between a stand-in for Foundry Local and one for a cloud that keeps every byte it gets."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pytest

from chat import routed
from chat.conversation import ANSWER, Told
from chat.held import Holder
from chat.journal import Journal
from chat.memory import Memory
from chat.metrics import Metrics
from chat.problems import Problem
from chat.routed import ROUTE, Asked, Ways
from chat.routing import providers
from chat.routing.breaker import Breaker
from chat.routing.decision import Question
from chat.server import Server, at
from chat.settings import Routing, Settings
from fakes.foundry import MODEL
from fakes.model_server import ModelServer

SECRET = "anna.kowalska@example.com"
LONG = "word " * 120
GONE = ("503 Service Unavailable", {"error": {"message": "gone"}})
FAULTS: dict[str, Callable[[ModelServer], object]] = {
    "well": lambda _: None,
    "refuses": lambda server: setattr(server, "chat_refuses", GONE),
    "slow": lambda server: setattr(server, "seconds_to_first_token", 5.0),
    "cut": lambda server: setattr(server, "finish_reason", None),
    "error": lambda server: setattr(server, "error", {"message": "broke"}),
}


@dataclass
class World:
    """The two servers, and a user."""

    local: ModelServer
    cloud: ModelServer
    folder: Path
    agrees: bool | Exception = True
    knobs: dict[str, Any] = field(default_factory=dict)
    later: dict[str, Any] = field(default_factory=dict)
    """What the user changes while the question waits."""
    asked_user: list[str] = field(default_factory=list)
    counted: Metrics = field(default_factory=lambda: Metrics(in_line=int, answered=int, sessions=int))

    @property
    def settings(self) -> Settings:
        set_up = {
            "cloud_url": f"{self.cloud.url}/v1",
            "cloud_model": "gpt-4o",
            "routing": "complexity",
            "hold_conversations": 0,
            "audit_log": self.folder / "audit.jsonl",
        }
        return Settings(**{**set_up, **self.knobs})

    @property
    def audit(self) -> list[dict[str, Any]]:
        file = self.folder / "audit.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def ask(self, text: str, earlier: tuple[str, ...] = (), **more: Any) -> Asked:
        async def find() -> tuple[Server, str]:
            return at(self.local.url, "not-needed"), MODEL

        async def may_send(host: str, words: str) -> bool:
            self.asked_user.append(f"{host}: {words}")
            if isinstance(self.agrees, Exception):
                raise self.agrees
            return self.agrees

        @asynccontextmanager
        async def turn() -> AsyncIterator[float]:
            yield 0.0

        async def knobs() -> Settings:
            return self.settings.model_copy(update=self.later)

        told: list[Told] = [{"role": "user", "content": each} for each in earlier]
        told += [{"role": "user", "content": "\n".join((*more.get("files", ()), text))}]
        ways = Ways(
            find,
            turn,
            knobs,
            may_send,
            "chat-1",
            "admin",
            False,
            self.counted,
        )
        memory = Memory(Holder(Journal(self.folder / "held.json")))
        return Asked(Question(text, earlier, **more), told, self.settings, memory, ways)

    def arrived(self, what: str) -> bool:
        return any(what.encode() in received.body for received in self.cloud.requests)


@pytest.fixture(autouse=True)
def breakers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for place in routed.BREAKERS:
        monkeypatch.setitem(routed.BREAKERS, place, Breaker())
    for cached in (providers._server, at):
        cached.cache_clear()
    yield


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with ModelServer() as local, ModelServer() as cloud:
        local.tokens, cloud.tokens, cloud.models = ["here"], ["there"], ["gpt-4o"]
        yield World(local, cloud, tmp_path)


async def answer(asked: Asked) -> str:
    return "".join([piece async for piece in asked.pieces()])


async def test_a_complex_question_goes_to_the_cloud_and_the_answer_says_so(world: World) -> None:
    asked = world.ask(LONG)
    assert await answer(asked) == "there"
    assert [received.target for received in world.cloud.requests] == ["/v1/chat/completions"]
    assert world.local.completions == []
    assert asked.metadata == {ANSWER: "gpt-4o", ROUTE: {"place": "cloud", "why": "complex", "host": "127.0.0.1"}}
    assert asked.figures
    assert "`gpt-4o` · **cloud** (127.0.0.1): complexity 120 of 100 · first token" in asked.figures.markdown


async def test_a_simple_one_stays_and_says_so(world: World) -> None:
    asked = world.ask("Hello")
    assert await answer(asked) == "here"
    assert asked.metadata == {ANSWER: MODEL, ROUTE: {"place": "local", "why": "simple", "host": None}}
    assert asked.figures
    assert "CPU, local: complexity 1 of 100" in asked.figures.markdown
    assert world.asked_user == []


async def test_without_a_cloud_nothing_is_said_of_places_and_nothing_noted(world: World) -> None:
    world.knobs = {"cloud_url": None, "routing": "local-first"}
    asked = world.ask(LONG)
    assert await answer(asked) == "here"
    assert asked.metadata == {ANSWER: MODEL}
    assert asked.figures
    assert "local ·" in asked.figures.markdown
    assert world.audit == []
    assert b"foundry_chat_routed_total{" not in world.counted.text()


async def test_the_line_in_the_audit_log_stands_before_anything_is_sent(world: World) -> None:
    world.cloud.seconds_to_first_token = 60.0
    task = asyncio.create_task(answer(world.ask(LONG)))
    while not world.cloud.requests:
        await asyncio.sleep(0.01)
    (line,) = world.audit
    assert (line["event"], line["why"], line["chat"], line["user"]) == ("sending", "complex", "chat-1", "admin")
    assert (line["messages"], line["characters"]) == (1, len(LONG))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [each["event"] for each in world.audit] == ["sending", "stopped"]


async def test_the_audit_log_tells_what_became_of_it_and_no_word_of_what_was_said(world: World) -> None:
    await answer(world.ask(LONG))
    await answer(world.ask(f"Write to {SECRET}"))
    world.cloud.chat_refuses = GONE
    await answer(world.ask(LONG))
    said = [(each["event"], each["why"]) for each in world.audit]
    assert said == [
        ("sending", "complex"),
        ("answered", "complex"),
        ("kept-here", "found-private"),
        ("sending", "complex"),
        ("failed", "server-error"),
        ("kept-here", "cloud-failed"),
    ]
    noted = (world.folder / "audit.jsonl").read_text()
    assert "word" not in noted
    assert "anna" not in noted
    assert world.audit[1]["tokens_out"] > 0


async def test_what_can_not_be_noted_is_not_sent(world: World) -> None:
    (world.folder / "audit.jsonl").mkdir()
    assert await answer(world.ask(LONG)) == "here"
    assert world.cloud.requests == []


async def test_a_check_is_not_noted_unless_it_leaves(world: World) -> None:
    for text in ("Hello", LONG):
        asked = world.ask(text)
        asked._ways = Ways(**{**vars(asked._ways), "is_check": True})
        await answer(asked)
    assert [each["event"] for each in world.audit] == ["sending", "answered"]
    assert len(world.asked_user) == 1


async def test_what_the_user_keeps_stays(world: World) -> None:
    world.agrees = False
    asked = world.ask(LONG)
    assert await answer(asked) == "here"
    assert asked.metadata[ROUTE] == {"place": "local", "why": "declined", "host": None}
    assert world.cloud.requests == []
    assert world.asked_user == ["127.0.0.1: complexity 120 of 100"]


async def test_a_switch_that_is_turned_while_the_question_waits_counts(world: World) -> None:
    world.later = {"switch": "private"}
    assert await answer(world.ask(LONG)) == "here"
    assert world.cloud.requests == []


async def test_the_user_who_thinks_about_it_does_not_use_up_the_time(world: World) -> None:
    world.knobs = {"routing_seconds": 0.2}
    asked = world.ask(LONG)

    async def thinks(host: str, words: str) -> bool:
        await asyncio.sleep(0.4)
        return True

    asked._ways = Ways(**{**vars(asked._ways), "may_send": thinks})
    assert await answer(asked) == "there"


async def test_who_waits_in_the_line_does_not_use_up_the_time(world: World) -> None:
    world.knobs = {"routing": "local-first", "routing_seconds": 0.2}
    asked = world.ask("Hello")

    @asynccontextmanager
    async def a_long_line() -> AsyncIterator[float]:
        await asyncio.sleep(0.4)
        yield 0.4

    asked._ways = Ways(**{**vars(asked._ways), "turn": a_long_line})
    assert await answer(asked) == "here"
    assert world.cloud.requests == []
    assert routed.BREAKERS["local"]._failures == 0


async def test_where_this_machine_is_down_the_cloud_answers_after_the_user_agreed(world: World) -> None:
    world.knobs = {"routing": "local-first"}
    world.local.chat_refuses = ("500 Internal Server Error", {"error": {"message": "out of memory"}})
    asked = world.ask("Hello")
    assert await answer(asked) == "there"
    assert asked.metadata[ROUTE] == {"place": "cloud", "why": "local-failed", "host": "127.0.0.1"}
    assert world.asked_user == ["127.0.0.1: this machine failed: server-error"]


async def test_a_place_that_fails_again_and_again_is_left_alone_and_that_is_counted(world: World) -> None:
    world.cloud.chat_refuses = ("500 Internal Server Error", {"error": {"message": "no"}})
    for _ in range(3):
        assert await answer(world.ask(LONG)) == "here"
    assert len(world.cloud.requests) == 3
    asked = world.ask(LONG)
    assert await answer(asked) == "here"
    assert len(world.cloud.requests) == 3
    assert asked.metadata[ROUTE]["why"] == "cloud-rests"  # type: ignore[index]
    assert routed.BREAKERS["cloud"].state == "open"
    counted = world.counted.text().decode()
    assert 'foundry_chat_provider_failures_total{cause="server-error",place="cloud"} 3.0' in counted
    assert 'foundry_chat_routed_total{place="cloud",why="complex"} 3.0' in counted
    assert 'foundry_chat_routed_total{place="local",why="cloud-rests"} 1.0' in counted


async def test_an_answer_that_breaks_off_is_not_gone_on_with_here(world: World) -> None:
    world.cloud.finish_reason = None
    asked = world.ask(LONG)
    got = []
    with pytest.raises(Problem) as problem:
        async for piece in asked.pieces():
            got.append(piece)
    assert problem.value.cause == "stream-cut"
    assert got == ["there"]
    assert world.local.completions == []
    assert [each["event"] for each in world.audit] == ["sending", "failed"]


@pytest.mark.parametrize(
    "routing",
    [each if each == "complexity" else pytest.param(each, marks=pytest.mark.full) for each in get_args(Routing)],
)
async def test_nothing_private_arrives_whatever_fails(world: World, routing: Routing) -> None:
    private: list[dict[str, Any]] = [
        {"text": f"Write to {SECRET}"},
        {"text": f"Write a story for {SECRET}. {LONG}"},
        {"text": f"Research {LONG}", "earlier": (f"I am {SECRET}",)},
        {"text": f"Research {LONG}", "files": (f"name,mail\nAnna,{SECRET}",)},
        {"text": f"Research TOP-SECRET {LONG}", "marked_private": True},
        {"text": f"Research {LONG}", "earlier": ("TOP-SECRET",), "marked_private": True},
    ]
    world.knobs = {"routing": routing, "routing_seconds": 0.05}
    harmless = 0
    for (here, local), (there, cloud) in itertools.product(FAULTS.items(), repeat=2):
        for server, fault in ((world.local, local), (world.cloud, cloud)):
            server.chat_refuses, server.seconds_to_first_token, server.finish_reason, server.error = (
                None,
                0.0,
                "stop",
                None,
            )
            fault(server)
        for place in routed.BREAKERS:
            routed.BREAKERS[place].worked()
        for each in private:
            if here == "slow":  # waited for as long as it takes: nobody else may be asked
                world.local.seconds_to_first_token = 0.1
            asked = world.ask(**each)
            if here in ("well", "slow"):
                assert await answer(asked) == "here", (here, there)
            else:
                with pytest.raises(Problem):
                    await answer(asked)
        world.local.seconds_to_first_token = 0.0
        try:
            harmless += await answer(world.ask(f"Research {LONG}")) == "there"
        except Problem:
            continue
    assert not world.arrived("anna")
    assert not world.arrived("TOP-SECRET")
    assert (harmless > 0) is (routing != "local"), "the witness is blind"


async def test_what_a_cloud_and_this_machine_are_told_is_remembered_apart(world: World) -> None:
    for text, of_cloud in ((LONG, True), ("Hello", False)):
        asked = world.ask(text)
        await answer(asked)
        assert (asked.memory is asked._memory.of_cloud, asked.memory is asked._memory) == (of_cloud, not of_cloud)
