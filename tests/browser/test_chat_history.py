"""Signing in, and chats that stay, as a user sees them: in a browser, answered by a real model."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from browser.chat_page import ANSWER_MS, OPEN_MS, Chat, let_in, sign_in
from fakes.chat_people import Person, another_user
from fakes.waiting import wait_until
from stack.settings import load

Look = Callable[[str], None]
FRANCE = "What is the capital of France?"


@pytest.fixture
def anna() -> Iterator[Person]:
    with another_user(load()) as person:
        yield person


@pytest.fixture
def chat(page: Page, chat_address: str, anna: Person) -> Chat:
    return Chat(page, chat_address, anna)


@pytest.mark.full
def test_who_is_not_signed_in_is_asked_to(page: Page, chat_address: str, anna: Person, look: Look) -> None:
    sign_in(page, chat_address, Person(chat_address, anna.name, "a guess"))
    expect(page.get_by_text("Wrong name or password")).to_be_visible()
    expect(page.get_by_text("passwords.py show")).to_be_visible()
    look("refused")
    page.locator("#password").fill(anna.password)
    page.get_by_role("button", name="Sign In").click()
    expect(page.locator('[data-step-type="system_message"]')).to_be_visible(timeout=OPEN_MS)
    look("let-in")
    page.locator("#user-nav-button").click()
    page.get_by_role("menuitem", name="Logout").click()
    expect(page.locator("#password")).to_be_visible()
    page.goto(chat_address)
    expect(page.locator("#password")).to_be_visible()


@pytest.mark.full
def test_too_many_guesses_are_told(page: Page, chat_address: str, anna: Person, look: Look) -> None:
    sign_in(page, chat_address, Person(chat_address, anna.name, "a guess"))
    statuses = []
    for _ in range(6):
        with page.expect_response("**/login") as answer:
            page.get_by_role("button", name="Sign In").click()
        statuses.append(answer.value.status)
    assert statuses[-1] == 429
    expect(page.get_by_text("Too many wrong passwords").first).to_be_visible()
    look("must-wait")


def test_a_chat_is_opened_again_and_gone_on_with(chat: Chat, anna: Person, chat_address: str, look: Look) -> None:
    assert "Paris" in chat.ask(FRANCE)
    expect(chat.kept(FRANCE)).to_be_visible()
    look("kept")
    chat.page.goto(chat_address)
    expect(chat.from_app).to_have_count(0)
    chat.kept(FRANCE).click()
    expect(chat.from_user).to_have_text([FRANCE], timeout=OPEN_MS)
    expect(chat.from_app).to_have_text([re.compile("Paris")])
    look("opened-again")
    # Means nothing without the question before it.
    assert "Berlin" in chat.ask("And of Germany?")
    chat.page.reload()
    expect(chat.from_user).to_have_text([FRANCE, re.compile("Germany")], timeout=OPEN_MS)
    expect(chat.from_app).to_have_text([re.compile("Paris"), re.compile("Berlin")])
    look("in-order")
    assert len(anna.chats()) == 1


def test_a_stopped_answer_stands_in_its_place(chat: Chat, anna: Person) -> None:
    answer = chat.send("Write a long story about a sailor and the sea.")
    expect(answer).to_have_text(re.compile(r"\w+ \w+ \w+"), timeout=ANSWER_MS)
    chat.stop_button.click()
    expect(answer).to_have_text(re.compile(r"\(stopped\)"))
    (kept,) = anna.chats()
    chat.page.goto(f"{anna.page}/thread/{kept['id']}")
    expect(chat.from_app.first).to_have_text(re.compile(r"\w+ \w+ \w+.*\(stopped\)", re.DOTALL), timeout=OPEN_MS)


@pytest.mark.full
def test_an_edited_question_is_kept_as_it_was_last(chat: Chat, anna: Person) -> None:
    chat.ask(FRANCE)
    chat.from_user.hover()
    chat.from_user.locator(".edit-message").click()
    chat.page.locator("#edit-chat-input").fill("What is the capital of Germany?")
    chat.page.locator(".confirm-edit").click()
    expect(chat.from_app.last).to_contain_text("Berlin", timeout=ANSWER_MS)
    (kept,) = anna.chats()
    wait_until(lambda: "Berlin" in str(anna.messages(kept["id"])))
    said = [each["output"] for each in anna.messages(kept["id"]) if each["type"] != "system_message"]
    assert said[0] == "What is the capital of Germany?"
    assert "Paris" not in str(said)


def test_a_chat_is_renamed_and_deleted(chat: Chat, anna: Person, look: Look) -> None:
    chat.ask(FRANCE)
    chat.kept(FRANCE).hover()
    chat.kept(FRANCE).locator("#thread-options").click()
    chat.page.locator("#rename-thread").click()
    chat.page.get_by_role("dialog").locator("#name").fill("Geography")
    chat.page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect(chat.kept("Geography")).to_be_visible()
    look("renamed")
    assert [each["name"] for each in anna.chats()] == ["Geography"]
    chat.kept("Geography").hover()
    chat.kept("Geography").locator("#thread-options").click()
    chat.page.locator("#delete-thread").click()
    chat.page.get_by_role("alertdialog").get_by_role("button", name="Confirm").click()
    expect(chat.kept("Geography")).to_have_count(0)
    wait_until(lambda: anna.chats() == [])


def test_a_chat_is_found_by_its_words(chat: Chat, look: Look) -> None:
    chat.ask(FRANCE)
    chat.page.locator("#search-chats-button").click()
    field = chat.page.get_by_role("dialog").get_by_role("combobox")
    field.fill("paris")
    expect(chat.page.get_by_role("option", name=FRANCE)).to_be_visible()
    look("found")
    field.fill("no such word")
    expect(chat.page.get_by_role("option", name=FRANCE)).to_have_count(0)


@pytest.mark.full
def test_what_the_user_thinks_of_an_answer_is_kept(chat: Chat, anna: Person, look: Look) -> None:
    chat.ask(FRANCE)
    chat.from_app.hover()
    chat.from_app.locator(".positive-feedback-off").click()
    chat.page.get_by_role("dialog").get_by_role("textbox").fill("well said")
    with chat.page.expect_response("**/feedback"):
        chat.page.locator("#submit-feedback").click()
    expect(chat.from_app.locator(".positive-feedback-on")).to_be_visible()
    look("judged")
    (kept,) = anna.chats()
    (answer,) = [
        each
        for each in anna.call("GET", f"/export/{kept['id']}.json").json()["messages"]
        if each["role"] == "assistant"
    ]
    assert answer["feedback"] == {"good": True, "comment": "well said"}
    chat.page.goto(f"{anna.page}/thread/{kept['id']}")
    expect(chat.from_app.locator(".positive-feedback-on")).to_be_visible(timeout=OPEN_MS)


@pytest.mark.full
def test_a_chat_is_taken_away(chat: Chat, look: Look, tmp_path: Path) -> None:
    answer = chat.ask(FRANCE)
    chat.page.get_by_role("link", name="Export").click()
    expect(chat.page.get_by_role("cell", name=FRANCE)).to_be_visible()
    look("export")
    with chat.page.expect_download() as download:
        chat.page.get_by_role("link", name="Markdown").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-what-is-the-capital-of-france\.md", file.name)
    text = file.read_text(encoding="utf-8")
    assert FRANCE in text
    assert answer.strip() in text
    chat.page.get_by_role("link", name="Back to the chat").click()
    expect(chat.kept(FRANCE)).to_be_visible(timeout=OPEN_MS)


def test_two_users_see_their_own_chats(chat: Chat, browser: Browser, chat_address: str, anna: Person) -> None:
    chat.ask(FRANCE)
    (kept,) = anna.chats()
    with another_user(load()) as bert:
        context = browser.new_context()
        try:
            his = Chat(context.new_page(), chat_address, bert)
            expect(his.kept(FRANCE)).to_have_count(0)
            his.page.goto(f"{chat_address}/thread/{kept['id']}")
            expect(his.page.get_by_text("Paris")).to_have_count(0)
        finally:
            context.close()


@pytest.mark.full
def test_a_foreign_cookie_is_none(page: Page, chat_address: str, anna: Person) -> None:
    let_in(page.context, Person(chat_address, anna.name, "", cookie=f"{anna.signed_in()[:-6]}AAAAAA"))
    page.goto(chat_address)
    expect(page.locator("#password")).to_be_visible(timeout=OPEN_MS)
