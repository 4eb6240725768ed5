"""The chat's settings and personas, as a user finds them on the page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from browser.chat_page import Chat
from chat import personas

Look = Callable[[str], None]


@pytest.fixture
def chat(page: Page, chat_address: str) -> Chat:
    return Chat(page, chat_address)


def test_the_panel_offers_what_can_be_set(chat: Chat, look: Look) -> None:
    panel = chat.open_settings()
    for label in ("Model", "Temperature", "Top P", "Longest answer (tokens)", "System prompt"):
        expect(panel.locator("label", has_text=label)).to_be_visible()
    expect(panel.get_by_role("combobox")).to_have_text("As set for everybody (auto)")
    look("panel")
    panel.get_by_role("combobox").click()
    expect(chat.page.get_by_role("option")).to_have_count(2)
    expect(chat.page.get_by_role("option").last).to_have_text(re.compile(r"\S+:\d+"))
    look("models")


def test_what_is_set_is_kept_and_shown(chat: Chat, look: Look) -> None:
    panel = chat.open_settings()
    panel.locator("#max_tokens").fill("7")
    panel.locator("#system_prompt").fill("You are a sailor.")
    chat.confirm_settings()
    expect(chat.toast).to_contain_text("From the next message on")
    look("set")
    answer = chat.send("Write a long story about the sea.")
    expect(chat.page.get_by_text("The answer reached the limit of 7 tokens")).to_be_visible()
    assert 0 < len(chat.words(answer).split()) <= 7
    panel = chat.open_settings()
    expect(panel.locator("#max_tokens")).to_have_value("7")
    expect(panel.locator("#system_prompt")).to_have_value("You are a sailor.")


def test_what_can_not_be_used_is_refused_in_words(chat: Chat, look: Look) -> None:
    panel = chat.open_settings()
    panel.locator("#max_tokens").fill("0")
    chat.confirm_settings()
    expect(chat.from_app.last).to_contain_text("Longest answer (tokens) must be a whole number above 0")
    look("refused")
    expect(chat.open_settings().locator("#max_tokens")).to_have_value("1024")


def test_a_persona_has_its_own_ways_to_begin_and_its_own_prompt(chat: Chat, look: Look) -> None:
    page, teacher = chat.page, personas.named("Teacher")
    page.locator("#chat-profiles").click()
    look("personas")
    page.get_by_role("option", name="Teacher").click()
    begin = page.get_by_role("button", name=teacher.starters[0].label)
    expect(begin).to_be_visible()
    expect(page.get_by_role("button", name="Ask for a fact")).to_have_count(0)
    expect(chat.notice).to_be_visible()
    look("teacher")
    expect(chat.open_settings().locator("#system_prompt")).to_have_value(teacher.system_prompt or "")
