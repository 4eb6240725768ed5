"""The running stack (`scripts/test.py` brings it up), whose links the tests break."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.links import Links
from faults.own_stack import OwnStack, own_stack
from stack.settings import Settings, load
from stack.tools.docker_engine import client


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load()


@pytest.fixture(scope="session")
def links(settings: Settings) -> Links:
    return Links(settings, client())


@pytest.fixture
def stack(settings: Settings, tmp_path: Path) -> Iterator[OwnStack]:
    """A stack of the test's own that does not exist yet; whatever becomes of it is gone afterwards."""
    with own_stack(settings, client(), tmp_path) as own:
        yield own
