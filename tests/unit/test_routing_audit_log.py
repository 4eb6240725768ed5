"""The audit log: a line before anything is sent, no word of what was said, and never much of it."""

from __future__ import annotations

import importlib
import json
import os
import stat
from dataclasses import fields
from pathlib import Path

import pytest

from chat.problems import Problem
from chat.routing import audit_log
from chat.routing.audit_log import AuditLog, Entry

ENTRY = Entry(
    "sending", "chat-1", "admin@localhost", "complex", "api.example.com", "gpt-4o", messages=3, characters=120
)


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_it_is_written_where_the_system_knows_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as Windows, where the chat app runs without containers."""
    with monkeypatch.context() as windows:
        windows.delattr(os, "O_NOFOLLOW")
        importlib.reload(audit_log)
        audit_log.AuditLog(tmp_path / "audit.jsonl").note(audit_log.Entry("kept-here", "chat-1", None, "simple"))
    importlib.reload(audit_log)
    assert len(lines(tmp_path / "audit.jsonl")) == 1


def test_a_line_is_an_object_and_only_its_user_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "new" / "audit.jsonl"
    AuditLog(file).note(ENTRY)
    AuditLog(file).note(Entry("kept-here", "chat-1", None, "found-private"))
    first, second = lines(file)
    assert first.pop("at")
    assert first == {
        "event": "sending",
        "chat": "chat-1",
        "user": "admin@localhost",
        "why": "complex",
        "host": "api.example.com",
        "model": "gpt-4o",
        "messages": 3,
        "characters": 120,
    }
    assert set(second) == {"at", "event", "chat", "why"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_there_is_no_field_that_could_hold_what_was_said() -> None:
    assert {field.name for field in fields(Entry)} == {
        "event", "chat", "user", "why", "host", "model", "messages", "characters", "tokens_in", "tokens_out",
    }  # fmt: skip


def test_it_never_grows_beyond_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "LARGEST", 1000)
    file = tmp_path / "audit.jsonl"
    for _ in range(100):
        AuditLog(file).note(ENTRY)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["audit.jsonl", "audit.jsonl.1"]
    assert all(each.stat().st_size <= 1000 for each in tmp_path.iterdir())
    assert lines(file)[-1]["chat"] == "chat-1"


def test_where_it_can_not_be_written_that_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    with pytest.raises(Problem) as problem:
        AuditLog(tmp_path / "audit.jsonl").note(ENTRY)
    assert problem.value.cause == "audit-log-unwritable"


def test_it_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Problem):
        AuditLog(tmp_path / "audit.jsonl").note(ENTRY)
    assert not (tmp_path / "elsewhere").exists()
