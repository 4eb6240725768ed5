"""Clones of the repository as it was, or might become: with older packages, or with a migration that breaks."""

from __future__ import annotations

import re
from pathlib import Path

from faults.own_clone import Clone, make_clone
from faults.own_stack import User

ROOT_USER = User(0, 0)
OLDER = Path(__file__).parent / "older"
"""Open WebUI 0.11.4 and Chainlit 2.11.1: of what their locks would hold, what differs from today's."""

# Whoever migrates to it loses chats, for good and before it breaks.
BROKEN_MIGRATION = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    connection = op.get_bind()
    connection.exec_driver_sql("DELETE FROM threads")
    connection.exec_driver_sql("COMMIT")
    raise RuntimeError("this migration is broken")
"""


def older(folder: Path) -> Clone:
    """A clone whose locks hold older packages."""
    clone = make_clone(folder, ROOT_USER)
    for changed in OLDER.glob("*.lock"):
        lock = clone.folder / "services" / changed.stem / "requirements.lock"
        entries = {**_entries(lock.read_text(encoding="utf-8")), **_entries(changed.read_text(encoding="utf-8"))}
        lock.write_text("".join(entries.values()), encoding="utf-8")
    return clone


def broken(folder: Path) -> Clone:
    """A clone whose chat has a migration that destroys and breaks."""
    clone = make_clone(folder, ROOT_USER)
    migrations = clone.folder / "services" / "chainlit" / "chat" / "store" / "migrations" / "versions"
    (migrations / "v0002_broken.py").write_text(BROKEN_MIGRATION, encoding="utf-8")
    return clone


def _entries(lock: str) -> dict[str, str]:
    """Each package with its hashes, by name."""
    found = re.findall(r"^(\S+?)((?:\[[^\]]*\])?==.*\n(?:    --hash=.*\n)*)", lock, re.MULTILINE)
    return {name.lower().replace("_", "-"): name + rest for name, rest in found}
