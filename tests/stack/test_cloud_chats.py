"""Five hundred chats, most of them private in one way or another, by every policy and with every fault: of what is
private not one byte arrives at the cloud, whose stand-in keeps every byte that it gets."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from fakes.chat_people import Person
from fakes.cloud_chats import NEVER, Here, Mixed, Policy, hold_all, mixed
from fakes.cloud_container import CloudWitness, Heard
from fakes.whole_way import WholeWay

pytestmark = pytest.mark.full

CHATS = 500
SEED = 8
NOBODY = "http://127.0.0.1:9"


@dataclass
class Around:
    """A stack of the tests' own with a way to the cloud."""

    stack: WholeWay
    witness: CloudWitness
    person: Person

    def begin(self, policy: Policy) -> None:
        """Start the chat app anew, which forgets who has failed."""
        self.stack.restart_with("chainlit", routing=policy)

    def behave_here(self, habit: Here) -> None:
        """The model on this machine, from now on."""
        foundry = self.stack.foundry
        self.stack.relay.lead_to(NOBODY if habit == "down" else foundry.url)
        foundry.too_long = habit == "too-long"
        foundry.seconds_a_chunk = 0.2 if habit == "slow" else 0.0
        foundry.habit = "answers" if habit in ("slow", "down", "too-long") else habit  # type: ignore[assignment]


@dataclass
class Held:
    """What came of them."""

    chats: list[Mixed]
    heard: Heard
    audit: list[dict[str, Any]]


@pytest.fixture(scope="module")
def held(cloudy: WholeWay, cloud_witness: CloudWitness, cloud_guest: Person) -> Held:
    chats = mixed(SEED, CHATS)
    asyncio.run(hold_all(Around(cloudy, cloud_witness, cloud_guest), chats))
    code, printed = cloudy.service("chainlit").exec_run(["sh", "-c", "cat /data/audit.jsonl.1 /data/audit.jsonl"])
    assert b'"at"' in printed, (code, printed)
    lines = [json.loads(line) for line in printed.decode().splitlines() if line.startswith("{")]
    return Held(chats, cloud_witness.heard(), lines)


def test_of_what_is_private_not_one_byte_arrived(held: Held) -> None:
    private = [chat for chat in held.chats if chat.kind != "harmless"]
    assert len(private) > CHATS / 2
    assert [chat for chat in private if chat.mark.encode() in held.heard.received] == []
    assert [form for form in NEVER if form.encode() in held.heard.received] == []


def test_what_is_harmless_did_arrive(held: Held) -> None:
    """Else the one above would prove nothing."""
    harmless = [chat for chat in held.chats if chat.kind == "harmless"]
    arrived = [chat for chat in harmless if chat.mark.encode() in held.heard.received]
    print(f"{len(arrived)} of {len(harmless)} harmless chats reached the cloud, in {held.heard.questions} questions")
    assert len(arrived) > CHATS / 10
    assert len(arrived) < len(harmless), "by the policy `local` none of them goes there"


def test_with_this_machine_down_what_is_private_fails(held: Held) -> None:
    # (Of a chat whose private question failed, the next one leaves without it.)
    but = ("harmless", "declined", "found-earlier")
    down = [chat for chat in held.chats if chat.here == "down" and chat.kind not in but]
    assert len(down) > 10
    assert [(chat.kind, chat.errors) for chat in down if chat.answered] == []


def test_whatever_arrived_was_noted_before_without_a_word_of_it(held: Held) -> None:
    """(A question that is asked there again, before its first word, is noted once and arrives twice.)"""
    sending = [line for line in held.audit if line["event"] == "sending"]
    arrived = [chat for chat in held.chats if chat.mark.encode() in held.heard.received]
    assert len(sending) >= len(arrived) > 0
    text = json.dumps(held.audit)
    assert [chat for chat in held.chats if chat.mark in text] == []


def test_most_were_answered_whatever_failed(held: Held) -> None:
    well = [chat for chat in held.chats if chat.here == "answers" and chat.kind != "harmless"]
    assert len(well) > 20
    assert sum(chat.answered > 0 for chat in well) > len(well) / 2  # some still wait for what hung just before
