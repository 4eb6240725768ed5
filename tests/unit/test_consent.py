"""Nothing is installed or lost without a yes."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from stack.settings import ROOT
from stack.tools.consent import agree
from stack.tools.errors import StackError

ASK = "from stack.tools.consent import agree; print(agree('Install it?', assume_yes=False))"


@pytest.mark.parametrize(("answer", "agreed"), [("y", True), ("YES", True), ("", False), ("n", False), ("why", False)])
def test_on_a_terminal_only_yes_is_a_yes(answer: str, agreed: bool) -> None:
    master, slave = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-c", ASK],
        cwd=ROOT / "scripts",
        env={**os.environ, "CI": "true"},
        stdin=slave,
        stderr=slave,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.write(master, f"{answer}\n".encode())
    out, _ = asking.communicate(timeout=20)
    os.close(master)
    os.close(slave)
    assert out == f"{agreed}\n"


def test_without_a_terminal_yes_must_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(StackError, match="Install it") as refused:
        agree("Install it?", assume_yes=False)
    assert "--yes" in refused.value.fix
    assert agree("Install it?", assume_yes=True)


def test_ci_without_a_terminal_is_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert agree("Install it?", assume_yes=False)
