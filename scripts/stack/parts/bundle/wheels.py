"""The scripts' Python packages, as files."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from stack.settings import ROOT
from stack.tools.errors import StackError
from stack.tools.process import stream
from stack.tools.progress import Progress

LOCK = ROOT / "scripts" / "requirements.lock"


def download(folder: Path, progress: Progress) -> None:
    """Fetch what the scripts' lock names for this Python and this kind of machine, checked by its hashes.

    Raises:
        StackError: ``package-unreachable``.
    """
    total = len(re.findall(r"^[\w.-]+==", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    seen = 0

    def on_line(line: str) -> None:
        nonlocal seen
        if package := re.match(r"Collecting ([\w.-]+)", line):
            seen += 1
            progress(f"fetching {package[1]}", min(seen / total, 1.0))

    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
    options = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    done = stream([*pip, *options, "--requirement", str(LOCK)], on_line)
    if done.code != 0:
        errors = [line.strip() for line in done.out.splitlines() if line.startswith("ERROR:")]
        raise StackError(
            f"The scripts' Python packages can't be downloaded: {(errors or ['pip gave no reason'])[-1][:300]}",
            fix="Check the network (and pip's mirror or proxy: `pip config list`), then run this again.",
            cause="package-unreachable",
        )
