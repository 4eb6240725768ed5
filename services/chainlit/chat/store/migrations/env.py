"""Alembic runs this to bring a database to its newest form; `chat.store.database` hands it the connection."""

from __future__ import annotations

from alembic import context

from chat.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
