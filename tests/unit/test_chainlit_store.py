"""What the chat keeps, and for whom: on SQLite, and on PostgreSQL where this machine has the program."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, inspect, select, text
from sqlalchemy.exc import IntegrityError

from chat.store import tables
from chat.store.chats import NAME_LETTERS, Chats
from chat.store.clock import now
from chat.store.database import UnusableError, open_database


@pytest.fixture
def chats(engine: Engine) -> Chats:
    with engine.begin() as db:
        for name in ("anna", "bert"):
            db.execute(insert(tables.users).values(id=f"id-of-{name}", name=name, created_at=now()))
    return Chats(engine)


def step(
    step_id: str, output: str = "", *, thread: str = "t1", kind: str = "assistant_message", **rest: Any
) -> dict[str, Any]:
    return {"id": step_id, "threadId": thread, "type": kind, "output": output, "createdAt": now(), **rest}


def say(chats: Chats, step_id: str, output: str, *, thread: str = "t1", user: str = "anna", **rest: Any) -> None:
    chats.keep_step(step(step_id, output, thread=thread, kind="user_message", **rest), f"id-of-{user}")


def outputs(chats: Chats, thread: str = "t1") -> list[str]:
    found = chats.thread(thread)
    assert found is not None
    return [each["output"] for each in found["steps"]]


def names(chats: Chats, user: str = "anna", **filters: Any) -> list[str]:
    found, _ = chats.list_threads(f"id-of-{user}", **{"first": 50, **filters})
    return [each["name"] for each in found]


def test_what_chainlit_says_of_a_step_comes_back_as_it_was(chats: Chats) -> None:
    say(
        chats, "q", "Hello?", tags=["a", "b"], metadata={"x": {"y": [1]}}, isError=False, command=None, modes={"m": "1"}
    )
    found = chats.thread("t1")
    assert found is not None
    (only,) = found["steps"]
    expected = {
        "tags": ["a", "b"],
        "metadata": {"x": {"y": [1]}},
        "isError": False,
        "command": None,
        "modes": {"m": "1"},
    }
    assert expected.items() <= only.items()
    assert (only["output"], only["type"], only["threadId"], only["feedback"]) == ("Hello?", "user_message", "t1", None)


def test_messages_stand_in_the_order_of_the_conversation(chats: Chats) -> None:
    say(chats, "q1", "first question", createdAt="2026-01-01T10:00:00.000000Z")
    # Stored before the answer that was begun before it.
    chats.keep_step(step("stop", "stopped", createdAt="2026-01-01T10:00:09.000000Z"), "id-of-anna")
    chats.keep_step(step("a1", "first answer", createdAt="2026-01-01T10:00:01.000000Z"), "id-of-anna")
    say(chats, "q2", "second question", createdAt="2026-01-01T10:01:00.000000Z")
    assert outputs(chats) == ["first question", "first answer", "stopped", "second question"]


def test_what_is_only_updated_and_never_sent_comes_after_its_question(chats: Chats) -> None:
    say(chats, "q", "question")
    chats.keep_step({**step("a", "answer"), "createdAt": None}, "id-of-anna")
    assert outputs(chats) == ["question", "answer"]


def test_of_the_same_moment_the_first_stored_is_the_first(chats: Chats) -> None:
    for number in range(12):
        say(chats, f"q{number}", str(number), createdAt="2026-01-01T10:00:00.000000Z")
    assert outputs(chats) == [str(number) for number in range(12)]


def test_an_edited_message_keeps_its_place(chats: Chats) -> None:
    say(chats, "q", "old")
    chats.keep_step(step("a", "answer"), "id-of-anna")
    say(chats, "q", "new", createdAt=now())
    assert outputs(chats) == ["new", "answer"]


def test_the_question_is_not_kept_a_second_time(chats: Chats) -> None:
    say(chats, "q", "my secret question")
    chats.keep_step(step("run", kind="run", input="my secret question"), "id-of-anna")
    say(chats, "q", "another one")
    found = chats.thread("t1")
    assert found is not None
    assert "my secret question" not in str(found["steps"])


def test_name_tags_and_metadata_survive_each_other(chats: Chats) -> None:
    chats.keep_thread("t1", user_id="id-of-anna", name="Hello", tags=["Pirate"])
    chats.keep_thread("t1", metadata={"chat_profile": "Pirate", "told": ["x", "y"]})
    chats.keep_thread("t1", name="Renamed", metadata={"told": None})
    found = chats.thread("t1")
    assert found is not None
    assert (found["name"], found["tags"], found["metadata"]) == ("Renamed", ["Pirate"], {"chat_profile": "Pirate"})
    assert (found["userId"], found["userIdentifier"], chats.owner("t1")) == ("id-of-anna", "anna", "anna")


def test_a_long_name_is_one_short_line(chats: Chats) -> None:
    chats.keep_thread("t1", user_id="id-of-anna", name=f"Hello\n\n  there {'x' * 1000}")
    (name,) = names(chats)
    assert name.startswith("Hello there x")
    assert len(name) == NAME_LETTERS


def test_what_comes_late_does_not_bring_a_deleted_chat_back(chats: Chats) -> None:
    say(chats, "q", "question")
    chats.judge("id-of-anna", "q", 1, None)
    chats.delete_thread("t1")
    chats.keep_step(step("a", "the rest of an answer"), "id-of-anna")
    chats.keep_thread("t1", metadata={"chat_settings": {}})
    assert chats.thread("t1") is None
    assert names(chats) == []


def test_nothing_of_a_deleted_chat_is_left(chats: Chats, engine: Engine) -> None:
    say(chats, "q", "question")
    chats.judge("id-of-anna", "q", 1, None)
    chats.delete_thread("t1")
    with engine.begin() as db:
        left = {table.name: db.execute(select(table)).all() for table in tables.metadata.sorted_tables}
    assert {name for name, rows in left.items() if rows} == {"users"}


def test_not_even_in_the_files(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/chats.db")
    with engine.begin() as db:
        db.execute(insert(tables.users).values(id="id-of-anna", name="anna", created_at=now()))
    chats = Chats(engine)
    say(chats, "q1", "a word that stays", thread="t1")
    say(chats, "q2", "a word that goes", thread="t2")

    def in_files(word: bytes) -> bool:
        return any(word in file.read_bytes() for file in tmp_path.iterdir())

    assert in_files(b"a word that stays")
    assert in_files(b"a word that goes")
    chats.delete_thread("t2")
    assert in_files(b"a word that stays")
    assert not in_files(b"a word that goes")
    say(chats, "q3", "a word that goes", thread="t1")
    chats.delete_step("t1", "q3")
    assert in_files(b"a word that stays")
    assert not in_files(b"a word that goes")
    engine.dispose()


def test_chats_are_listed_page_by_page_the_last_used_ones_first(chats: Chats) -> None:
    for number in range(7):
        say(chats, f"q{number}", f"chat {number}", thread=f"t{number}")
    chats.keep_step(step("a", "answer", thread="t2"), "id-of-anna")
    chats.keep_step(step("run", kind="run", thread="t0"), "id-of-anna")  # nobody said anything
    everything: list[str] = []
    after, more = None, True
    while more:
        page, more = chats.list_threads("id-of-anna", first=3, after=after)
        assert 1 <= len(page) <= 3
        everything += [each["name"] for each in page]
        after = page[-1]["id"]
    assert everything == ["chat 2", "chat 6", "chat 5", "chat 4", "chat 3", "chat 1", "chat 0"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("paris", ["The capital"]),
        ("CAPITAL", ["The capital"]),
        ("straßenbahn", ["Trams"]),
        ("ÜBER", ["Trams"]),
        ("100%", ["Trams"]),
        ("0%0", []),
        ("_", []),
        ("a note", []),
    ],
)
def test_search(chats: Chats, search: str, found: list[str]) -> None:
    chats.keep_thread("t1", user_id="id-of-anna", name="The capital")
    chats.keep_step(step("a1", "It is Paris."), "id-of-anna")
    chats.keep_step(step("n", "a note of the system's", kind="system_message"), "id-of-anna")
    chats.keep_thread("t2", user_id="id-of-anna", name="Trams")
    chats.keep_step(step("a2", "Alles über die Straßenbahn, zu 100% wahr", thread="t2"), "id-of-anna")
    chats.keep_thread("t3", user_id="id-of-bert", name="Paris, capital, über 100% straßenbahn _")
    assert names(chats, search=search) == found


def test_feedback_is_kept_changed_found_and_taken_back(chats: Chats) -> None:
    say(chats, "q", "question")
    chats.keep_step(step("a", "answer"), "id-of-anna")
    assert chats.judge("id-of-anna", "a", 0, "wrong")
    made = chats.judge("id-of-anna", "a", 1, "not so wrong")
    found = chats.thread("t1")
    assert found is not None
    assert found["steps"][1]["feedback"] == {"forId": "a", "id": made, "value": 1, "comment": "not so wrong"}
    assert (names(chats, value=1), names(chats, value=0)) == (["question"], [])
    chats.keep_step(step("a", "answer, changed"), "id-of-anna")
    assert names(chats, value=1) == ["question"]
    assert made
    assert chats.take_back("id-of-anna", made)
    assert names(chats, value=1) == []


def test_nobody_else_can_do_anything_with_an_id(chats: Chats) -> None:
    say(chats, "q", "anna's question")
    made = chats.judge("id-of-anna", "q", 1, None)
    before = chats.thread("t1")
    assert chats.judge("id-of-bert", "q", 0, "haha") is None
    assert made
    assert not chats.take_back("id-of-bert", made)
    say(chats, "q1", "bert's", thread="t2", user="bert")
    with pytest.raises(IntegrityError):
        say(chats, "q", "haha", thread="t2", user="bert")
    chats.delete_step("t2", "q")
    chats.keep_thread("t1", user_id="id-of-bert", name="mine")
    say(chats, "q2", "haha", thread="t1", user="bert")
    chats.keep_step(step("q", "haha", thread="t1"), "id-of-bert")
    assert chats.thread("t1") == before
    assert names(chats, "bert") == ["bert's"]
    assert chats.list_threads("id-of-bert", first=9, after="t1")[0] != before


# --- the database itself ---


def test_the_migrations_make_the_tables_that_the_code_knows(engine: Engine) -> None:
    there = inspect(engine)
    for table in tables.metadata.sorted_tables:
        columns = {each["name"]: each["nullable"] for each in there.get_columns(table.name)}
        assert columns == {each.name: bool(each.nullable) for each in table.columns}, table.name
        indexes = {str(each["name"]): each["column_names"] for each in there.get_indexes(table.name)}
        for index in table.indexes:
            assert indexes[str(index.name)] == [each.name for each in index.columns]


def test_opening_it_again_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chats.db"
    first = open_database(url)
    with first.begin() as db:
        db.execute(insert(tables.users).values(id="1", name="anna", created_at=now()))
    first.dispose()
    again = open_database(url)
    with again.begin() as db:
        assert db.scalar(select(tables.users.c.name)) == "anna"
    again.dispose()


def test_sqlite_is_asked_for_safety(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/chats.db")
    with engine.begin() as db:
        asked = {
            name: db.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "synchronous")
        }
    engine.dispose()
    assert asked == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}


def test_who_reads_waits_for_nobody_who_writes(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/chats.db")
    chats = Chats(engine)
    with engine.begin() as writing:
        writing.execute(insert(tables.users).values(id="id-of-anna", name="anna", created_at=now()))
        assert chats.user("anna") is None  # not yet
    assert chats.user("anna")
    engine.dispose()


def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "chats.db"
    engine = open_database(f"sqlite:///{file}")
    chats = Chats(engine)
    with engine.begin() as db:
        db.execute(insert(tables.users).values(id="id-of-anna", name="anna", created_at=now()))
    for number in range(200):
        say(chats, f"q{number}", "x" * 500)
    engine.dispose()
    content = bytearray(file.read_bytes())
    content[8192:40960] = b"\xff" * (40960 - 8192)
    file.write_bytes(bytes(content))
    with pytest.raises(UnusableError, match=r"damaged|malformed"):
        open_database(f"sqlite:///{file}")
    assert file.read_bytes() == bytes(content)


def test_one_of_a_newer_version_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "chats.db"
    open_database(f"sqlite:///{file}").dispose()
    with sqlite3.connect(file) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UnusableError, match="newer"):
        open_database(f"sqlite:///{file}")


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db", "sqlite:////proc/nowhere/chats.db", "oracle+none://x"])
def test_an_address_that_can_not_be_used_is_named(url: str) -> None:
    with pytest.raises(UnusableError, match="can't be"):
        open_database(url)


def test_a_migration_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    file = tmp_path / "chats.db"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE steps (mine TEXT)")
    with pytest.raises(UnusableError, match="can't be opened"):
        open_database(f"sqlite:///{file}")
    with sqlite3.connect(file) as db:
        assert [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")] == ["steps"]


def test_what_is_kept_once_is_not_changed_by_the_way(chats: Chats) -> None:
    """Two pages of one chat, each with a word on how it is set: the switch is turned by the user alone."""
    say(chats, "q", "Hello?")
    assert chats.metadata("t1") == {}
    chats.keep_thread("t1", metadata={"switch": "local", "x": 1}, only_once=("switch",))
    chats.keep_thread("t1", metadata={"switch": "private"})
    chats.keep_thread("t1", metadata={"switch": "as-configured", "x": 2}, only_once=("switch",))
    assert chats.metadata("t1") == {"switch": "private", "x": 2}
    assert chats.metadata("unheard-of") == {}
