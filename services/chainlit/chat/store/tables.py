"""The tables as the code of today knows them; how they came to be, from version to version, stands in `migrations`."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, MetaData, Table, Text

metadata = MetaData()

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),  # what is typed to sign in
    Column("password", Text),  # its hash; NULL: a secret of the stack's counts (see `chat.accounts`)
    Column("created_at", Text, nullable=False),
)

threads = Table(
    "threads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text),
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Index("threads_of_user", "user_id", "changed_at"),
)

steps = Table(
    "steps",
    metadata,
    Column("id", Text, primary_key=True),
    Column("thread_id", ForeignKey("threads.id", ondelete="CASCADE"), nullable=False),
    Column("place", Integer, nullable=False),  # among the thread's steps, in the order in which they were stored
    Column("created_at", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("output", Text, nullable=False),
    Column("details", JSON, nullable=False),  # all the rest that Chainlit says of a step, as it says it
    Index("steps_of_thread", "thread_id", "created_at", "place"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Text, primary_key=True),
    Column("step_id", ForeignKey("steps.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("value", Integer, nullable=False),  # 1: good, 0: bad
    Column("comment", Text),
)
