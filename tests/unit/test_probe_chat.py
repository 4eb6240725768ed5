"""What a conversation with the chat shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from chat.asides import BEFORE, FIGURES_KIND, PLACE_KIND
from chat.problems import Problem, too_many
from stack.probes.chat import ENOUGH, Conversation, _Session, judge
from stack.probes.crowd import Asking
from stack.probes.report import Status

FINE = Conversation(text="OK", pieces=1, first_text_seconds=0.2, seconds=0.4, ended=True)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({}, None),
        ({"stopped": True, "pieces": ENOUGH}, None),
        ({"first_text_seconds": 11.0}, "slow-first-token"),
        ({"text": "", "pieces": 0, "first_text_seconds": None}, "empty-answer"),
        ({"ended": False}, "stream-cut"),
        ({"ended": False, "lost": "transport close"}, "front-end-down"),
        ({"error": "It broke", "error_code": "stream-cut"}, "stream-cut"),
        ({"error": "chat_session.cc: structured tool calling requires model-published ..."}, "model-without-tools"),
    ],
)
def test_cause(change: dict[str, Any], cause: str | None) -> None:
    outcome = judge(replace(FINE, **change))
    assert outcome is not None
    assert outcome.cause == cause


@pytest.mark.parametrize(
    "change",
    [
        {"error": "It broke"},
        {"error": "It broke", "error_code": "unknown"},
        {"error": "It broke", "error_code": "made-up-by-someone"},
        {"text": "", "pieces": 0, "first_text_seconds": None, "ended": False},
    ],
)
def test_what_the_chat_can_not_know_is_left_to_a_second_opinion(change: dict[str, Any]) -> None:
    assert judge(replace(FINE, **change)) is None


@pytest.fixture
def session() -> _Session:
    return _Session("Say OK")


def asked(session: _Session) -> str:
    """Send the question, have the app begin its run for it, and return that run's id."""
    message = str(session.client_message()["message"]["id"])
    session.sort("new_message", {"type": "run", "id": "run", "parentId": message})
    return "run"


def test_only_what_streams_because_of_the_question_is_the_answer(session: _Session) -> None:
    run = asked(session)
    opening = {"type": "assistant_message", "id": "hello", "parentId": "on_chat_start", "output": "Hello!"}
    session.sort("stream_start", opening)
    session.sort("stream_token", {"id": "hello", "token": "more"})
    session.sort("new_message", {"type": "assistant_message", "id": "n", "parentId": run, "output": "phi answers you"})
    assert session.seen.first_text_seconds is None
    session.sort("stream_start", {"type": "assistant_message", "id": "a", "parentId": run, "output": "O"})
    session.sort("stream_token", {"id": "a", "token": "K"})
    session.sort("update_message", {"type": "run", "id": run, "parentId": session.message_id, "end": "now"})
    assert (session.seen.text, session.seen.ended) == ("OK", True)


def test_a_place_in_the_line_is_neither_text_nor_error(session: _Session) -> None:
    session.seen.asking = asking = Mock(spec=Asking)
    run = asked(session)
    place = {
        "type": PLACE_KIND,
        "id": "p",
        "parentId": run,
        "output": "In line: 3 before you.",
        "metadata": {BEFORE: 3},
    }
    session.sort("new_message", place)
    session.sort("update_message", {**place, "metadata": {BEFORE: 0}})
    assert (session.seen.text, session.seen.error, session.seen.before) == ("", None, 0)
    asking.stands_in_line.assert_called_with(True)
    session.sort("delete_message", place)
    assert session.seen.before is None
    asking.stands_in_line.assert_called_with(False)
    asking.text_came.assert_not_called()


def test_the_line_under_an_answer_is_no_text(session: _Session) -> None:
    run = asked(session)
    session.sort("stream_start", {"type": "assistant_message", "id": "a", "parentId": run, "output": "OK"})
    session.sort("new_message", {"type": "assistant_message", "id": "a", "parentId": run, "output": "OK"})
    session.sort("new_message", {"type": FIGURES_KIND, "id": "f", "parentId": "a", "output": "phi · CPU"})
    assert (session.seen.text, session.seen.pieces) == ("OK", 1)


def test_a_full_line_is_busy_and_not_broken(session: _Session) -> None:
    run = asked(session)
    told = {"type": "assistant_message", "id": "e", "parentId": run, "isError": True, "output": too_many(5).markdown}
    session.sort("new_message", told)
    session.sort("update_message", {"type": "run", "id": run, "parentId": session.message_id, "end": "now"})
    outcome = judge(session.seen)
    assert outcome
    assert (outcome.status, outcome.cause) == (Status.DEGRADED, "busy")


def test_the_end_of_another_run_is_not_the_end(session: _Session) -> None:
    asked(session)
    session.sort("update_message", {"type": "run", "id": "start", "parentId": None, "end": "now"})
    assert not session.over.is_set()


def test_the_code_that_signs_an_error(session: _Session) -> None:
    run = asked(session)
    told = Problem("foundry-not-running", f"{'Far too long a message. ' * 20}", "Start it with `up`.").markdown
    error = {"type": "assistant_message", "id": "e", "parentId": run, "isError": True, "output": told}
    session.sort("new_message", error)
    assert session.seen.error_code == "foundry-not-running"
    assert session.seen.text == ""
