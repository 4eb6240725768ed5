"""`foundry.py logs -f`: shows what comes, and ends well when the user has seen enough."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from stack.settings import ROOT, load

FOLLOW = "from stack.commands.foundry import main; raise SystemExit(main())"


def test_follow_until_ctrl_c(tmp_path: Path) -> None:
    log = tmp_path / load().compose_project_name / "foundry.log"
    log.parent.mkdir()
    log.write_text("old\n" * 200)
    following = subprocess.Popen(
        [sys.executable, "-u", "-c", FOLLOW, "logs", "-f"],
        env={**os.environ, "STATE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT / "scripts")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert following.stdout is not None
    shown = [following.stdout.readline() for _ in range(100)]
    with log.open("a") as more:
        more.write("more\n")
    shown.append(following.stdout.readline())
    (tmp_path / "anew").write_text("anew\n")
    (tmp_path / "anew").replace(log)
    shown.append(following.stdout.readline())
    following.send_signal(signal.SIGINT)
    assert following.communicate(timeout=30) == ("", "")
    assert following.returncode == 0
    assert shown == ["old\n"] * 100 + ["more\n", "anew\n"]
