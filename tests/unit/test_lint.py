"""Dockerfiles and the compose file are clean for the linters that know them; exceptions stand there with a reason."""

import sys
from pathlib import Path

import pytest

from stack.settings import ROOT
from stack.tools.process import run

TOOLS = Path(sys.executable).parent
DOCKERFILES = sorted((ROOT / "services").glob("*/Dockerfile"))


def test_there_are_dockerfiles() -> None:
    assert len(DOCKERFILES) >= 3


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.parent.name)
def test_dockerfile(file: Path) -> None:
    done = run([str(TOOLS / "hadolint"), "--failure-threshold", "style", str(file)])
    assert done.code == 0, done.out + done.err


def test_compose_file() -> None:
    argv = [str(TOOLS / "compose-lint"), "check", "--fail-on", "low", "--strict-config", "--no-env", "compose.yaml"]
    done = run(argv, cwd=ROOT)
    assert done.code == 0, done.out + done.err
