"""What the events of a conversation with Open WebUI mean."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from stack.probes.chat import ENOUGH
from stack.probes.open_webui import User, _Session


@pytest.fixture
def session() -> _Session:
    return _Session("model:1", "Say OK")


def event(session: _Session, kind: str, data: Any = None, message: str | None = None) -> dict[str, Any]:
    return {"chat_id": "c", "message_id": message or session.answer_id, "data": {"type": kind, "data": data}}


def delta(session: _Session, text: str, message: str | None = None) -> dict[str, Any]:
    return event(session, "response:completion", {"type": "response.output_text.delta", "delta": text}, message)


def test_text_comes_in_pieces_and_ends(session: _Session) -> None:
    for piece in ("O", "", "K"):
        session.sort(delta(session, piece))
    session.sort(event(session, "chat:completion", {"choices": [{"finish_reason": "stop"}]}))
    assert not session.over.is_set()
    session.sort(event(session, "chat:completion", {"done": True}))
    assert (session.seen.text, session.seen.pieces, session.seen.ended) == ("OK", 2, True)


def test_another_message_does_not_count(session: _Session) -> None:
    session.sort(delta(session, "no", "other"))
    session.sort(event(session, "chat:completion", {"done": True}, "other"))
    assert session.seen.text == ""
    assert not session.over.is_set()


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("chat:message:error", {"error": {"content": "It broke"}}, "It broke"),
        ("chat:completion", {"error": {"message": "It broke"}}, "It broke"),
        ("chat:completion", {"error": "It broke"}, "It broke"),
    ],
)
def test_an_error_is_told(session: _Session, kind: str, data: Any, said: str) -> None:
    session.sort(event(session, kind, data))
    assert session.seen.error == said
    assert session.over.is_set()


def test_a_cancelled_answer_has_ended(session: _Session) -> None:
    for _ in range(ENOUGH):
        session.sort(delta(session, "x"))
    assert session.enough_or_over.is_set()
    assert not session.over.is_set()
    session.sort(event(session, "chat:tasks:cancel"))
    assert session.seen.ended


async def test_a_lost_connection_is_no_end(session: _Session) -> None:
    await session.on_disconnect("transport close")
    assert (session.seen.ended, session.seen.lost) == (False, "transport close")


@pytest.mark.parametrize("answer", [httpx.Response(400, json={"detail": "Model not found"}), httpx.Response(502)])
def test_a_question_that_is_not_taken_is_an_error(session: _Session, answer: httpx.Response) -> None:
    session.take_receipt(answer)
    assert str(answer.status_code) in (session.seen.error or "")
    assert session.over.is_set()


def test_an_answer_that_is_short_anyway_is_left_to_end_by_itself() -> None:
    session = _Session("model:1", "Say OK", max_tokens=ENOUGH)
    for _ in range(ENOUGH):
        session.sort(delta(session, "x"))
    assert not session.enough_or_over.is_set()
    for _ in range(ENOUGH):  # it takes no notice of the limit
        session.sort(delta(session, "x"))
    assert session.enough_or_over.is_set()


async def test_a_chat_is_deleted_until_it_is_gone() -> None:
    said = ["false", "false", "true", "too many"]

    async with httpx.AsyncClient(
        base_url="http://page",
        transport=httpx.MockTransport(lambda asked: httpx.Response(200, text=said.pop(0))),
    ) as http:
        await User(http, "token").forget_chat("c")
    assert said == ["too many"]
