"""What is said in the chat stays: found again in its order, its user's alone, and taken away as it was said."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import pytest
from docker.models.containers import Container

from fakes.chat_container import is_back, is_healthy, kill_the_app
from fakes.chat_people import Person, another_user, finish
from fakes.waiting import wait_until
from stack.settings import ROOT, Settings

FRANCE = "What is the capital of France?"
LONG = "Tell me a long story about a lighthouse, with every detail."
SCHEMA = json.loads((ROOT / "docs" / "chat-export.schema.json").read_text(encoding="utf-8"))
START_SECONDS = 90
Find = Callable[[str], Container]


@pytest.fixture
def anna(settings: Settings) -> Iterator[Person]:
    with another_user(settings) as person:
        yield person


@pytest.fixture
def bert(settings: Settings) -> Iterator[Person]:
    with another_user(settings) as person:
        yield person


def asked(person: Person, question: str = FRANCE) -> str:
    """A chat in which that was asked, with all of it stored; its id."""
    seen = person.ask(question)
    assert seen.chat, seen
    chat_id = seen.chat
    wait_until(lambda: len(answers(person.messages(chat_id))) == 1)
    return chat_id


def answers(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in messages if "answered-by" in each["metadata"]]


def said(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The conversation without the app's own notices."""
    return [(each["type"], each["output"]) for each in messages if each["type"] == "user_message" or answers([each])]


def test_a_chat_stays_and_is_opened_again(anna: Person) -> None:
    chat_id = asked(anna)
    (listed,) = anna.chats()
    assert (listed["id"], listed["name"]) == (chat_id, FRANCE)
    shown = anna.opened(chat_id)
    assert isinstance(shown, list)
    (question, answer) = said(shown)
    assert question == ("user_message", FRANCE)
    assert answer[0] == "assistant_message"
    assert "Paris" in answer[1]


@pytest.mark.full
def test_it_is_renamed_found_and_deleted(anna: Person) -> None:
    chat_id, other = asked(anna), asked(anna, "What is a palindrome?")
    assert anna.call("PUT", "/project/thread", {"threadId": chat_id, "name": "Geography"}).is_success
    assert [each["name"] for each in anna.chats()] == ["What is a palindrome?", "Geography"]
    assert [each["id"] for each in anna.chats("PARIS")] == [chat_id]
    assert [each["id"] for each in anna.chats("palindrome")] == [other]
    assert anna.chats("no such word") == []
    assert anna.call("DELETE", "/project/thread", {"threadId": chat_id}).is_success
    assert [each["id"] for each in anna.chats()] == [other]
    assert anna.call("GET", f"/project/thread/{chat_id}").status_code == 404
    assert anna.opened(chat_id) == "Thread not found."


def test_feedback_is_kept(anna: Person) -> None:
    chat_id = asked(anna)
    (answer,) = answers(anna.messages(chat_id))
    feedback = {"forId": answer["id"], "threadId": chat_id, "value": 1, "comment": "well said"}
    given = anna.call("PUT", "/feedback", {"feedback": feedback, "sessionId": "any"})
    assert given.is_success, given.text
    (kept,) = [each["feedback"] for each in anna.messages(chat_id) if each["feedback"]]
    assert (kept["value"], kept["comment"], kept["forId"]) == (1, "well said", answer["id"])
    assert anna.call("DELETE", "/feedback", {"feedbackId": kept["id"]}).is_success
    assert not [each for each in anna.messages(chat_id) if each["feedback"]]


def test_profile_and_tags_are_kept_from_the_first_word_on(anna: Person) -> None:
    chat_id = anna.ask_as("Pirate", FRANCE)
    wait_until(lambda: "chat_profile" in anna.call("GET", f"/project/thread/{chat_id}").json()["metadata"])
    kept = anna.call("GET", f"/project/thread/{chat_id}").json()
    assert (kept["tags"], kept["metadata"]["chat_profile"]) == (["Pirate"], "Pirate")
    assert isinstance(anna.opened(chat_id), list)


def test_nobody_sees_or_changes_the_chats_of_another(anna: Person, bert: Person) -> None:
    chat_id = asked(anna)
    (answer,) = answers(anna.messages(chat_id))
    assert anna.call("PUT", "/project/thread/share", {"threadId": chat_id, "isShared": True}).status_code == 200
    before = anna.call("GET", f"/project/thread/{chat_id}").json()
    assert bert.chats() == bert.chats("Paris") == []
    feedback = {"forId": answer["id"], "threadId": chat_id, "value": 0}
    refused = {
        ("GET", f"/project/thread/{chat_id}"): None,
        ("GET", f"/project/share/{chat_id}"): None,
        ("GET", f"/project/thread/{chat_id}/element/x"): None,
        ("PUT", "/project/thread"): {"threadId": chat_id, "name": "mine"},
        ("PUT", "/project/thread/share"): {"threadId": chat_id, "isShared": True},
        ("DELETE", "/project/thread"): {"threadId": chat_id},
        ("PUT", "/feedback"): {"feedback": feedback, "sessionId": "any"},
        ("GET", f"/export/{chat_id}.md"): None,
        ("GET", f"/export/{chat_id}.json"): None,
    }
    statuses = {what: bert.call(*what, body).status_code for what, body in refused.items()}
    assert {what for what, status in statuses.items() if status < 400} == set(), statuses
    assert bert.call("GET", "/export/all.json").json()["chats"] == []
    finish(slips_something_in(bert, chat_id))
    assert isinstance(bert.opened(chat_id), str)
    assert anna.call("GET", f"/project/thread/{chat_id}").json() == before


async def slips_something_in(bert: Person, chat_id: str) -> None:
    """Whatever the app answers to it: under another's chat nothing comes of it."""
    element = {
        "id": str(uuid.uuid4()),
        "threadId": chat_id,
        "type": "custom",
        "name": "x",
        "display": "inline",
        "props": {},
    }
    async with bert.opens_the_page() as page, bert.on_the_page() as user:
        for method in ("PUT", "DELETE"):
            await user.call(method, "/project/element", {"element": element, "sessionId": page.session})


def test_what_is_taken_away_is_what_was_said(anna: Person) -> None:
    chat_id = asked(anna)
    messages = anna.messages(chat_id)
    as_json = anna.call("GET", f"/export/{chat_id}.json")
    chat = as_json.json()
    jsonschema.validate(chat, SCHEMA)
    assert [each["content"] for each in chat["messages"]] == [each["output"] for each in messages]
    (answer,) = [each for each in chat["messages"] if each["role"] == "assistant"]
    assert "Paris" in answer["content"]
    assert answer["model"] == answers(messages)[0]["metadata"]["answered-by"]
    as_markdown = anna.call("GET", f"/export/{chat_id}.md")
    assert as_markdown.headers["content-type"].startswith("text/markdown")
    for answer_of in (as_json, as_markdown):
        assert answer_of.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
        assert answer_of.headers["cache-control"] == "no-store"
    assert all(each["output"].strip() in as_markdown.text for each in messages)
    everything = anna.call("GET", "/export/all.json").json()
    jsonschema.validate(everything, SCHEMA)
    assert [each["id"] for each in everything["chats"]] == [chat_id]
    page = anna.call("GET", "/export")
    assert f'href="/export/{chat_id}.md"' in page.text
    assert FRANCE in page.text


def test_a_chats_name_is_no_html(anna: Person) -> None:
    chat_id = asked(anna)
    anna.call("PUT", "/project/thread", {"threadId": chat_id, "name": "<script>alert(1)</script>"})
    page = anna.call("GET", "/export").text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_probe_leaves_nothing(settings: Settings, container: Find) -> None:
    """It, and the monitor, have asked many times by now."""
    count = "SELECT count(*) FROM threads JOIN users ON users.id = user_id WHERE users.name IN (?, ?)"
    program = (
        "import sqlite3; db = sqlite3.connect('file:/data/chats.db?mode=ro', uri=True); "
        f"print(db.execute({count!r}, ('probe@localhost', 'monitor@localhost')).fetchone()[0])"
    )
    counted = container("chainlit").exec_run(["/opt/venv/bin/python", "-c", program])
    assert (counted.exit_code, counted.output.decode().strip()) == (0, "0")


# --- the container ends ---


def test_a_restart_changes_nothing(anna: Person, container: Find) -> None:
    chat_id = asked(anna)
    before = anna.messages(chat_id)
    chainlit = container("chainlit")
    chainlit.restart(timeout=10)
    wait_until(lambda: is_healthy(chainlit), START_SECONDS)
    assert anna.messages(chat_id) == before  # with the session of before, too
    assert anna.opened(chat_id) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may end another user's process")
def test_killed_in_an_answer_it_loses_that_answer_at_most(anna: Person, container: Find) -> None:
    chat_id = asked(anna)
    before = anna.messages(chat_id)
    chainlit = container("chainlit")
    started = chainlit.attrs["State"]["StartedAt"]
    finish(killed_in_an_answer(anna, chainlit))
    wait_until(lambda: is_back(chainlit, started), START_SECONDS)
    assert anna.messages(chat_id) == before
    (other,) = [each["id"] for each in anna.chats() if each["id"] != chat_id]
    assert said(anna.messages(other)) == [("user_message", LONG)]
    assert asked(anna)


async def killed_in_an_answer(anna: Person, chainlit: Container) -> None:
    async with anna.opens_the_page() as page:
        await page.begin(LONG)
        await page.first_text()
        kill_the_app(chainlit)
        with pytest.raises(AssertionError):
            await page.end(60)
