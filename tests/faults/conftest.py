"""The running stack (`scripts/test.py` brings it up), whose links the tests break."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from faults.links import Links
from faults.matrix import Matrix
from faults.named import Probed
from faults.own_stack import OwnStack, own_stack
from stack.probes.causes import CATALOGUE
from stack.settings import Settings, load
from stack.tools.docker_engine import client

MATRIX = Matrix()


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load()


@pytest.fixture(scope="session")
def links(settings: Settings) -> Links:
    return Links(settings, client())


@pytest.fixture
async def probed(settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Probed]:
    """The probe's judge; in the end, however the test ended, the stack must be green again."""
    everyday = "not full" in request.config.option.markexpr
    judge = Probed(settings, MATRIX, blind_too=not everyday)
    yield judge
    await judge.is_green()


@pytest.fixture
def stack(settings: Settings, tmp_path: Path) -> Iterator[OwnStack]:
    """A stack of the test's own that does not exist yet; whatever becomes of it is gone afterwards."""
    with own_stack(settings, client(), tmp_path) as own:
        yield own


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the confusion matrix."""
    if MATRIX.injected:
        terminalreporter.section("What was injected, and what the probe named")
        for line in MATRIX.lines(CATALOGUE):
            terminalreporter.write_line(line)
