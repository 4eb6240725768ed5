"""A question that waits in the chat's line to the end of our patience: busy where others are served, else not."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

import pytest

from stack.probes import answer
from stack.probes.chat import Conversation
from stack.probes.report import Outcome, Status, failed

WAITED = Conversation(seconds=90.0, before=3)
OPINION = failed("unknown", "a second opinion")


async def talk(monkeypatch: pytest.MonkeyPatch, seen: Conversation, *, others_were_served: bool) -> Outcome:
    monkeypatch.setattr(answer, "_second_opinion", AsyncMock(return_value=OPINION))
    asking = Mock(others_were_served=AsyncMock(return_value=others_were_served))
    page = answer.FrontEnd("chainlit", Mock(), AsyncMock(return_value=seen))
    return await answer._talk(Mock(), page, asking)


async def test_a_line_that_moves_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = await talk(monkeypatch, WAITED, others_were_served=True)
    assert (outcome.status, outcome.cause) == (Status.DEGRADED, "busy")
    assert "3 are still before us" in outcome.evidence


async def test_a_line_where_nobody_is_served_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await talk(monkeypatch, WAITED, others_were_served=False) is OPINION


async def test_who_waits_in_no_line_is_not_excused_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await talk(monkeypatch, Conversation(seconds=90.0), others_were_served=True) is OPINION
