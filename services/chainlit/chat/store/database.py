"""The database: SQLite in a file, or PostgreSQL; when it is opened, it is brought to its newest form."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

MIGRATIONS = Path(__file__).parent / "migrations"
WAIT_SECONDS = 10.0  # for another program that writes, such as users.py
READS = "reads_only"


class UnusableError(Exception):
    """The database can't be used; says why, and what to do."""


def open_database(url: str) -> Engine:
    """Connect, see that it is whole, and bring it to the form that this code knows.

    Raises:
        UnusableError: with words for whoever runs the stack.
    """
    try:
        engine = _engine(url)
    except (ArgumentError, NoSuchModuleError, ImportError) as wrong:
        raise UnusableError(
            f"CHAINLIT_DATABASE_URL can't be used: {wrong}. See .env.example for what it may be."
        ) from wrong
    try:
        with engine.begin() as connection:
            _check(connection)
            _migrate(connection)
    except CommandError as newer:
        raise UnusableError(
            f"The chats' database has a form that this version does not know ({newer}): it was used by a newer one. "
            "Go back to that one."
        ) from newer
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip()
        raise UnusableError(f"The chats' database can't be opened: {said}. {_advice(error, engine)}") from error
    return engine


def for_reading(engine: Engine) -> Engine:
    """The same for those who write nothing, and so need not wait for one that does."""
    return engine.execution_options(**{READS: True})


def overwrite_what_was_deleted(engine: Engine) -> None:
    """SQLite has it in the log beside its file, too, until that is emptied."""
    if engine.dialect.name == "sqlite":
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _engine(url: str) -> Engine:
    address = make_url(url)
    if address.drivername in ("postgresql", "postgres"):
        address = address.set(drivername="postgresql+psycopg")
    if address.get_backend_name() != "sqlite":
        return create_engine(address, pool_pre_ping=True)
    engine = create_engine(address, connect_args={"timeout": WAIT_SECONDS})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _: object) -> None:
    connection.isolation_level = None  # Python's own begins a transaction only before some statements; see _begin
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # what is stored survives a power failure
    connection.execute("PRAGMA secure_delete=ON")  # what is deleted can't be read in the file any more
    connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)  # its own: a to z


def _begin(connection: Connection) -> None:
    # One that begins to write only later may find that another one has written since.
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(READS) else "BEGIN IMMEDIATE")


def _check(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise UnusableError(
            f"The chats' database is damaged ({found}). Put a backup in its place; or move it away, and the chat "
            "begins with an empty one."
        )


def _migrate(connection: Connection) -> None:
    alembic = Config()
    alembic.set_main_option("script_location", str(MIGRATIONS))
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, "head")


def _advice(error: SQLAlchemyError, engine: Engine) -> str:
    if isinstance(error, OperationalError) and engine.dialect.name != "sqlite":
        return "Is the server of CHAINLIT_DATABASE_URL there, and does its network reach this container?"
    return "Is there room on the disk, and may this user write there?"
