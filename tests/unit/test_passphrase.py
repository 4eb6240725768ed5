"""Passphrases: from a file or a terminal, and refused where they would protect nothing."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from stack.tools import passphrase
from stack.tools.errors import StackError

GOOD = "several words are good"
Typed = Callable[..., None]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """What somebody types on a terminal."""

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    def answers(*lines: str) -> None:
        left = list(lines)
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(sys, "stderr", Terminal())
        monkeypatch.setattr(getpass, "getpass", lambda *_, **__: left.pop(0))

    return answers


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(StackError) as told:
        work()
    assert told.value.exit_code == 2
    return told.value.cause


def test_the_first_line_of_a_file_counts(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text(f"{GOOD}\nand a note\n")
    assert passphrase.new(file) == passphrase.known(file) == GOOD


def test_a_new_one_is_typed_twice(typed: Typed) -> None:
    typed(GOOD, GOOD)
    assert passphrase.new(None) == GOOD
    typed(GOOD, GOOD.upper())
    assert refusal(lambda: passphrase.new(None)) == "passphrase-differs"


def test_a_known_one_is_typed_once(typed: Typed) -> None:
    typed("short")
    assert passphrase.known(None) == "short"


def test_a_short_new_one_is_refused(typed: Typed, tmp_path: Path) -> None:
    typed("1234567", "1234567")
    assert refusal(lambda: passphrase.new(None)) == "passphrase-short"
    (tmp_path / "empty").touch()
    assert refusal(lambda: passphrase.new(tmp_path / "empty")) == "passphrase-short"


def test_without_a_terminal_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(GOOD))
    assert refusal(lambda: passphrase.known(None)) == "passphrase-needed"
    assert refusal(lambda: passphrase.new(None)) == "passphrase-needed"


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for file in (tmp_path / "none", tmp_path, tmp_path / "binary"):
        assert refusal(lambda file=file: passphrase.known(file)) == "passphrase-needed"  # type: ignore[misc]
