"""What `foundry.json` is taken for when it is old, foreign or broken."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from stack.parts.foundry import record
from stack.parts.foundry.record import Record
from stack.parts.state import process_started

OURS = Record("http://127.0.0.1:40000", True, os.getpid(), process_started(os.getpid()), "m:1", "embedded", "m", "cpu")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    record.write(tmp_path, OURS)

    assert record.read(tmp_path) == OURS
    assert (tmp_path / record.FILE).stat().st_mode & 0o777 == 0o600


def test_only_this_very_process_counts_as_alive() -> None:
    assert OURS.lives
    assert not replace(OURS, started=(OURS.started or 0) - 1000).lives  # the pid belongs to another process by now
    assert not replace(OURS, owned=False).lives
    assert not replace(OURS, pid=None).lives


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", json.dumps({"url": None, "pid": 3})])
def test_a_broken_file_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / record.FILE).write_text(text)

    assert record.read(tmp_path) is None


def test_a_file_with_only_the_agreed_fields_is_enough(tmp_path: Path) -> None:
    (tmp_path / record.FILE).write_text(json.dumps({"url": "http://127.0.0.1:1", "owned": False, "pid": None}))

    present = record.read(tmp_path)

    assert present is not None
    assert (present.url, present.alias) == ("http://127.0.0.1:1", None)


def test_a_leaving_daemon_forgets_only_itself(tmp_path: Path) -> None:
    record.write(tmp_path, OURS)
    record.forget(tmp_path, 1)
    assert record.read(tmp_path) == OURS

    record.forget(tmp_path, os.getpid())
    assert record.read(tmp_path) is None
    record.forget(tmp_path, os.getpid())
