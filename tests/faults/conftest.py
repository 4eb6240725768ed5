"""The running stack (`scripts/test.py` brings it up), whose links the tests break."""

from __future__ import annotations

import pytest

from faults.links import Links
from stack.settings import Settings, load
from stack.tools.docker_engine import client


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load()


@pytest.fixture(scope="session")
def links(settings: Settings) -> Links:
    return Links(settings, client())
