"""The chat as a user sees it: in a browser, answered by a real model."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browser.chat_page import ANSWER_MS, Chat

Look = Callable[[str], None]


@pytest.fixture
def chat(page: Page, chat_address: str) -> Chat:
    return Chat(page, chat_address)


def test_says_which_model_answers(chat: Chat, look: Look) -> None:
    expect(chat.notice).to_have_text(re.compile(r"\S+:\d+ answers you, from http://\S+:\d+\."))
    look("opened")


def test_answers_and_remembers(chat: Chat, look: Look) -> None:
    assert "Paris" in chat.ask("What is the capital of France?")
    look("first-answer")
    # Means nothing without the question before it.
    assert "Berlin" in chat.ask("And of Germany?")
    look("second-answer")


def test_a_way_to_begin_is_a_question_that_is_answered(chat: Chat) -> None:
    chat.page.get_by_role("button", name="Ask for a fact").click()
    expect(chat.from_user).to_have_count(1)
    expect(chat.figures).to_have_count(1, timeout=ANSWER_MS)
    expect(chat.from_app.first).to_have_text(re.compile(r"\w+"))


@pytest.mark.full
def test_a_new_chat_remembers_nothing(chat: Chat, chat_address: str) -> None:
    chat.ask("What is the capital of France?")
    chat.page.goto(chat_address)
    expect(chat.notice).to_be_visible()
    expect(chat.from_app).to_have_count(0)
    assert "Berlin" not in chat.ask("And of Germany?")


def test_an_edited_question_replaces_the_first(chat: Chat, look: Look) -> None:
    chat.ask("What is the capital of France?")
    question = chat.page.locator('[data-step-type="user_message"]')
    question.hover()
    question.locator(".edit-message").click()
    chat.page.locator("#edit-chat-input").fill("What is the capital of Germany?")
    chat.page.locator(".confirm-edit").click()
    expect(chat.from_app.last).to_contain_text("Berlin", timeout=ANSWER_MS)
    expect(chat.page.get_by_text("Paris")).to_have_count(0)
    look("edited")


def test_another_answer_takes_the_place_of_the_newest(chat: Chat, look: Look) -> None:
    chat.ask("What is the capital of France?")
    chat.ask("Name an animal.")
    again = chat.page.get_by_role("button", name="Again")
    expect(again).to_have_count(1)
    look("offered")
    first = chat.from_app.last.locator("[id^=step-]").get_attribute("id")
    again.click()
    expect(chat.page.locator(f"#{first}")).to_have_count(0)
    expect(again).to_be_enabled(timeout=ANSWER_MS)
    expect(chat.from_app).to_have_count(2)
    expect(chat.from_app.last).to_have_text(re.compile(r"\w+"))
    expect(chat.figures).to_have_count(2)
    look("answered")
    chat.ask("And another one.")
    expect(again).to_have_count(1)


def test_stop_keeps_what_came_and_the_chat_goes_on(chat: Chat, look: Look) -> None:
    answer = chat.send("Write a long story about a sailor and the sea.")
    expect(answer).to_have_text(re.compile(r"\w+ \w+ \w+"), timeout=ANSWER_MS)
    chat.stop_button.click()
    expect(chat.stop_button).to_have_count(0)
    expect(answer).to_have_text(re.compile(r"\w+ \w+ \w+.*\(stopped\)", re.DOTALL))
    look("stopped")
    assert "Paris" in chat.ask("What is the capital of France?")
