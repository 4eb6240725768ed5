"""Who may sign in to the chat, and for how long that holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select

from chat.accounts import (
    FAILURES,
    FIRST,
    OF_THE_STACK,
    SECRET_KEY,
    WITHIN_SECONDS,
    Accounts,
    TooManyError,
)
from chat.checks import MONITOR, PROBE
from chat.store import tables
from chat.store.clock import now

RIGHT = "the-password-of-anna"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in (SECRET_KEY, *OF_THE_STACK.values()):
        (folder / name).write_text(f"made-{name}")
    return folder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(engine: Engine, secrets: Path, clock: Clock) -> Accounts:
    accounts = Accounts(engine, secrets, clock)
    assert accounts.add("anna", RIGHT)
    return accounts


def test_with_the_right_password_only(accounts: Accounts) -> None:
    assert accounts.sign_in("anna", RIGHT) == "anna"
    assert accounts.sign_in(" Anna ", RIGHT) == "anna"
    for name, password in [
        ("anna", RIGHT + " "),
        ("anna", ""),
        ("bert", RIGHT),
        ("", ""),
        (FIRST, RIGHT),
        ("anna", "\ud800"),
    ]:
        assert accounts.sign_in(name, password) is None


@pytest.mark.parametrize("name", [FIRST, PROBE, MONITOR])
def test_the_stacks_own_accounts_have_the_secret_that_is_there_now(
    accounts: Accounts, secrets: Path, name: str
) -> None:
    file = secrets / OF_THE_STACK[name]
    assert accounts.sign_in(name, file.read_text()) == name
    before = accounts.seal(name)
    file.write_text("another one\n")
    assert accounts.sign_in(name, "another one") == name
    assert accounts.seal(name) != before
    for nothing in ("", None):
        file.write_text(nothing) if nothing is not None else file.unlink()
        assert accounts.sign_in(name, "") is None
        assert accounts.seal(name) is None


def test_only_a_hash_is_stored(accounts: Accounts, engine: Engine) -> None:
    accounts.add("bert", RIGHT)
    with engine.begin() as db:
        stored = db.scalars(select(tables.users.c.password)).all()
    assert all(str(each).startswith("$argon2id$v=19$m=65536,t=3,p=4$") for each in stored)
    assert len(set(stored)) == 2


def test_a_seal_ends_with_password_account_or_key(accounts: Accounts, secrets: Path) -> None:
    seals = [accounts.seal("anna"), accounts.seal(FIRST), accounts.seal(PROBE)]
    accounts.set_password("anna", RIGHT)  # the same, but who sets it wants the sessions to end
    seals.append(accounts.seal("anna"))
    (secrets / SECRET_KEY).write_text("another key")
    seals.append(accounts.seal("anna"))
    assert None not in seals
    assert len(set(seals)) == len(seals)
    assert accounts.remove("anna")
    assert accounts.seal("anna") is None


def test_who_is_removed_leaves_nothing(accounts: Accounts, engine: Engine) -> None:
    with engine.begin() as db:
        anna = db.scalar(select(tables.users.c.id))
        chat = {"id": "t", "user_id": anna, "created_at": now(), "changed_at": now(), "tags": [], "metadata": {}}
        db.execute(insert(tables.threads).values(**chat))
    assert accounts.remove("ANNA")
    with engine.begin() as db:
        assert db.execute(select(tables.threads)).all() == []
    assert accounts.sign_in("anna", RIGHT) is None
    assert not accounts.remove("anna")
    assert not accounts.set_password("anna", RIGHT)


def test_the_stacks_own_accounts_can_not_be_made_changed_or_removed(accounts: Accounts) -> None:
    for name, secret in OF_THE_STACK.items():
        assert not accounts.add(name, "mine")  # nor before it has signed in for the first time
        assert accounts.sign_in(name, f"made-{secret}") == name
        assert not accounts.add(name, "mine")
        assert not accounts.set_password(name, "mine")
        assert not accounts.remove(name)
        assert accounts.sign_in(name, "mine") is None
    assert accounts.names() == [FIRST, "anna"]


def test_a_name_is_given_once(accounts: Accounts) -> None:
    assert not accounts.add("Anna", "another")
    assert accounts.sign_in("anna", RIGHT) == "anna"


@pytest.mark.parametrize("name", ["", " ", "an na", "-rf", "a\nb", "Åsa", "a" * 65, "<b>"])
def test_what_can_not_be_a_name(accounts: Accounts, name: str) -> None:
    with pytest.raises(ValueError, match="are a name"):
        accounts.add(name, RIGHT)


def test_whoever_guesses_must_wait_but_not_for_long_and_alone(accounts: Accounts, clock: Clock) -> None:
    for _ in range(FAILURES):
        assert accounts.sign_in("anna", "wrong") is None
    with pytest.raises(TooManyError) as wait:
        accounts.sign_in("anna", RIGHT)
    assert wait.value.seconds == WITHIN_SECONDS
    assert accounts.sign_in(FIRST, "made-admin-password") == FIRST
    clock.now += WITHIN_SECONDS / 2
    with pytest.raises(TooManyError):  # to be refused does not count: it would never end
        accounts.sign_in("anna", RIGHT)
    clock.now += WITHIN_SECONDS / 2 + 0.1
    assert accounts.sign_in("anna", RIGHT) == "anna"


def test_the_right_password_makes_earlier_mistakes_good(accounts: Accounts) -> None:
    for _ in range(3):
        for _ in range(FAILURES - 1):
            assert accounts.sign_in(FIRST, "wrong") is None
        assert accounts.sign_in(FIRST, "made-admin-password") == FIRST


@pytest.mark.parametrize("name", [PROBE, MONITOR])
def test_nobody_can_have_the_stacks_own_eyes_shut(accounts: Accounts, name: str) -> None:
    for _ in range(2 * FAILURES):
        assert accounts.sign_in(name, "wrong") is None
    assert accounts.sign_in(name, f"made-{OF_THE_STACK[name]}") == name


def test_guesses_are_forgotten(accounts: Accounts, clock: Clock) -> None:
    for number in range(20):
        accounts.sign_in(FIRST, f"wrong {number}")
        clock.now += WITHIN_SECONDS
    assert len(accounts._failures) == 1
