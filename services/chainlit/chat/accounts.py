"""Who may sign in to the chat.

Three accounts are the stack's: the first user, the probe and the monitor. Their passwords are secrets that `init`
makes, and what the secret's file holds at the moment is what counts, so a new secret needs no word to anybody. All
others are in the database, each with the hash of a password that `scripts/users.py` made.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from time import monotonic
from uuid import uuid4

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from chat.checks import MONITOR, PROBE
from chat.store.clock import now
from chat.store.database import for_reading, overwrite_what_was_deleted
from chat.store.tables import users

FIRST = "admin@localhost"
SECRETS = Path("/run/secrets")
OF_THE_STACK = {FIRST: "admin-password", PROBE: "probe-password", MONITOR: "monitor-password"}
"""The accounts of the stack, and the name of the secret that is each one's password."""

NOBODYS = (PROBE, MONITOR)
"""Passwords that no person chose or types: not to be guessed, so nobody can have these accounts locked."""

SECRET_KEY = "secret-key"  # noqa: S105  (a file's name)
FAILURES = 5  # wrong passwords for a name
WITHIN_SECONDS = 30.0  # then nobody signs in under it until the first of them is so long ago

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
NAME_MEANING = "Up to 64 letters a to z, digits, and . _ @ + - are a name."


class TooManyError(Exception):
    """Too many wrong passwords for the name; ``seconds`` later it may be tried again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many wrong passwords: try again in {seconds} s.")
        self.seconds = seconds


class Accounts:
    """All who may sign in.

    Args:
        secrets: the folder with the stack's.
    """

    def __init__(self, engine: Engine, secrets: Path = SECRETS, clock: Callable[[], float] = monotonic) -> None:
        self._engine = engine
        self._reading = for_reading(engine)
        self._secrets = secrets
        self._clock = clock
        self._failures: dict[str, list[float]] = {}

    def sign_in(self, name: str, password: str) -> str | None:
        """The name as it is stored, where the password is right. Not from several threads at once: a hash takes 64 MB.

        Raises:
            TooManyError: it was wrong too often lately.
        """
        name = plain(name)
        self._let_only_few_fail(name)
        if self._is_right(name, password):
            self._failures.pop(name, None)
            self._make_row(name)
            return name
        if name not in NOBODYS:
            self._failures.setdefault(name, []).append(self._clock())
        return None

    def seal(self, name: str) -> str | None:
        """What a session of the account holds, so that it ends when the password or the stack's key is another one.

        None where there is no such account.
        """
        credential = self._credential(name)
        if credential is None:
            return None
        return hmac.new(self.secret(SECRET_KEY).encode(), f"{name}\n{credential}".encode(), "sha256").hexdigest()[:32]

    def secret(self, name: str) -> str:
        """One of the stack's.

        Raises:
            OSError: there is no such file.
        """
        return (self._secrets / name).read_text(encoding="ascii").strip()

    def add(self, name: str, password: str) -> bool:
        """Make an account; False where the name is taken.

        Raises:
            ValueError: it can't be a name.
        """
        name = plain(name)
        if not NAME.fullmatch(name):
            raise ValueError(NAME_MEANING)
        if name in OF_THE_STACK:
            return False
        try:
            with self._engine.begin() as db:
                db.execute(insert(users).values(id=str(uuid4()), name=name, password=_hash(password), created_at=now()))
        except IntegrityError:
            return False
        return True

    def names(self) -> list[str]:
        """All who can sign in with a password of their own, and the first user."""
        with self._reading.begin() as db:
            own = db.scalars(select(users.c.name).where(users.c.password.is_not(None)).order_by(users.c.name))
            return [FIRST, *own]

    def set_password(self, name: str, password: str) -> bool:
        """Give the account another password, which ends its sessions; False where there is none of that name."""
        with self._engine.begin() as db:
            own = (users.c.name == plain(name), users.c.password.is_not(None))
            return bool(db.execute(update(users).where(*own).values(password=_hash(password))).rowcount)

    def remove(self, name: str) -> bool:
        """Remove the account and all its chats; False where there is none of that name, or it is the stack's."""
        with self._engine.begin() as db:
            own = (users.c.name == plain(name), users.c.password.is_not(None))
            gone = db.execute(delete(users).where(*own)).rowcount
        overwrite_what_was_deleted(self._engine)
        return bool(gone)

    def _is_right(self, name: str, password: str) -> bool:
        credential = self._credential(name)
        if name in OF_THE_STACK:
            given = password.encode(errors="replace")
            return credential is not None and hmac.compare_digest(credential.encode(), given)
        # Whether there is such a name is not to be told by the time that the answer takes.
        return _matches(credential or _of_nobody(), password) and credential is not None

    def _credential(self, name: str) -> str | None:
        if name in OF_THE_STACK:
            try:
                return self.secret(OF_THE_STACK[name]) or None
            except OSError:
                return None
        with self._reading.begin() as db:
            hashed: str | None = db.scalar(select(users.c.password).where(users.c.name == name))
        return hashed

    def _let_only_few_fail(self, name: str) -> None:
        begin = self._clock() - WITHIN_SECONDS
        self._failures = {
            each: recent
            for each, moments in self._failures.items()
            if (recent := [moment for moment in moments if moment > begin])
        }
        recent = self._failures.get(name, [])
        if len(recent) >= FAILURES:
            raise TooManyError(max(1, round(recent[0] - begin)))

    def _make_row(self, name: str) -> None:
        with self._engine.begin() as db:
            if db.scalar(select(users.c.id).where(users.c.name == name)) is None:
                db.execute(insert(users).values(id=str(uuid4()), name=name, created_at=now()))


def plain(name: str) -> str:
    """A name as it is stored: how it was typed does not matter."""
    return name.strip().lower()


def _hash(password: str) -> str:
    """By RFC 9106's second recommendation."""
    return _argon2().derive_phc_encoded(password.encode())


def _matches(hashed: str, password: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(password.encode(errors="replace"), hashed)
    except InvalidKey:
        return False
    return True


def _argon2() -> Argon2id:
    return Argon2id(salt=os.urandom(16), length=32, iterations=3, lanes=4, memory_cost=64 * 1024)


@lru_cache(maxsize=1)
def _of_nobody() -> str:
    return _hash(os.urandom(16).hex())
