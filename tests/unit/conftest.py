"""What more than one file of unit tests needs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from fakes.foundry import FakeFoundry
from fakes.relay_process import RelayProcess


@pytest.fixture
async def foundry(relay: RelayProcess) -> AsyncIterator[FakeFoundry]:
    """A stand-in for Foundry Local, new for each test, to which the file's own relay leads."""
    async with FakeFoundry() as fake:
        relay.lead_to(fake.url)
        yield fake
