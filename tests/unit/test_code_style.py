"""The house rules that a tool can check: format, lint, types, layers."""

import sys

import pytest

from stack.settings import ROOT
from stack.tools.process import run

CHECKS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy --strict": ["mypy", "scripts", "services/chainlit", "services/monitor"],
    "mypy --strict, Open WebUI": ["mypy", "services/open-webui"],
    "layers": ["importlinter.cli", "lint"],
}


@pytest.mark.parametrize("name", CHECKS)
def test_clean(name: str) -> None:
    module, *arguments = CHECKS[name]
    argv = [sys.executable, "-m", module, *arguments]
    if module == "importlinter.cli":
        argv = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = run(argv, cwd=ROOT, env={"PYTHONPATH": str(ROOT / "scripts")}, timeout=240)
    assert done.code == 0, done.out + done.err
