"""What more than one file of unit tests needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from chat.store import tables
from chat.store.database import open_database
from fakes.foundry import FakeFoundry
from fakes.postgres import programs, running_postgres
from fakes.relay_process import RelayProcess

HAS_POSTGRES = pytest.mark.skipif(programs() is None, reason="there is no PostgreSQL on this machine")


@pytest.fixture
async def foundry(relay: RelayProcess) -> AsyncIterator[FakeFoundry]:
    """A stand-in for Foundry Local, new for each test, to which the file's own relay leads."""
    async with FakeFoundry() as fake:
        relay.lead_to(fake.url)
        yield fake


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with running_postgres() as address:
        yield address


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=HAS_POSTGRES)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """The chat's database, empty: on SQLite, and on PostgreSQL where this machine has the program."""
    sqlite = request.param == "sqlite"
    engine = open_database(f"sqlite:///{tmp_path}/chats.db" if sqlite else request.getfixturevalue("postgres"))
    with engine.begin() as db:
        for table in reversed(tables.metadata.sorted_tables):
            db.execute(table.delete())
    yield engine
    engine.dispose()
