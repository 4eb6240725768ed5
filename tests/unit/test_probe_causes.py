"""The catalogue of causes: complete, and every fix can be pasted."""

from __future__ import annotations

import re

import pytest

from stack.probes import causes
from stack.settings import ROOT
from stack.tools.process import run

CAUSE_IN_CODE = re.compile(r'(?:failed|degraded)\(\s*"([a-z-]+)"')
NAMES = {"container": "p-chainlit-1", "gateway": "p-gateway-1", "port": "51211", "log": "/tmp/foundry.log"}
NAMES |= {"seconds": "240"}


def test_every_cause_in_the_code_is_in_the_catalogue() -> None:
    files = (ROOT / "scripts" / "stack" / "probes").glob("*.py")
    named = {cause for file in files for cause in CAUSE_IN_CODE.findall(file.read_text(encoding="utf-8"))}
    assert len(named) > 15
    assert named <= causes.CATALOGUE.keys()


@pytest.mark.parametrize("cause", causes.CATALOGUE)
def test_a_shell_understands_the_fix(cause: str) -> None:
    fix = causes.fix(cause, **NAMES)
    assert "{" not in fix
    parsed = run(["bash", "-n"], stdin=fix)
    assert parsed.code == 0, parsed.err
    first = fix.split()[0]
    assert first in {"python3", "docker", "sudo", "tail", "sleep"}


@pytest.mark.parametrize("cause", causes.CATALOGUE)
def test_the_scripts_in_the_fix_exist(cause: str) -> None:
    for script in re.findall(r"scripts/\w+\.py", causes.fix(cause)):
        assert (ROOT / script).exists(), script


def test_a_blank_that_nobody_filled_is_visible() -> None:
    assert causes.fix("container-paused") == "docker unpause CONTAINER"
