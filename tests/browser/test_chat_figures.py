"""What one sees of an answer besides its text: what it took, the place in the line, and errors as cards."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from browser.chat_page import ANSWER_MS, Chat
from browser.staged_chat import load_axe, staged, too_faint
from chat.asides import PLACE_KIND
from chat.problems import STACK_ERRORS, Problem

Screenshot = Callable[[Page, str], None]

FIGURES = re.compile(
    r"^\S+ · (CPU|GPU|NPU), local · first token after [\d.]+ s · [\d.]+ tokens/s · tokens: \d+ in, \d+ out$"
)
DOWN = STACK_ERRORS["foundry-not-running"]
ERROR = Problem("foundry-not-running", DOWN.what, DOWN.fix).markdown


@pytest.fixture(params=["light", pytest.param("dark", marks=pytest.mark.full)])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1000, "height": 800}, color_scheme=request.param)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(ANSWER_MS)
    yield page
    context.close()


def paragraphs(message: Locator) -> Locator:
    """As Chainlit's page makes them."""
    return message.locator('[role="article"]')


def size(text: Locator) -> float:
    return float(text.evaluate("(element) => parseFloat(getComputedStyle(element).fontSize)"))


def test_what_an_answer_took_stands_under_it_quietly(
    page: Page, chat_address: str, screenshot: Screenshot, request: pytest.FixtureRequest
) -> None:
    chat = Chat(page, chat_address)
    load_axe(page)
    answer = chat.from_app.first
    said = chat.ask("What is the capital of France?")
    expect(chat.figures).to_have_text(FIGURES)
    assert "tokens/s" not in said
    assert size(paragraphs(chat.figures)) < size(paragraphs(answer).first)
    above, below = answer.bounding_box(), chat.figures.bounding_box()
    assert above
    assert below
    assert -16 <= below["y"] - (above["y"] + above["height"]) < 24
    chat.ask("And of Germany?")
    expect(chat.figures).to_have_count(2)
    expect(chat.from_app).to_have_count(2)  # it is no bubble of its own
    screenshot(page, f"figures-{request.node.callspec.id}")
    assert too_faint(page) == []


def test_a_copied_answer_is_the_answer_only(page: Page, chat_address: str) -> None:
    chat = Chat(page, chat_address)
    said = chat.ask("What is the capital of France?")
    expect(chat.figures).to_be_visible()
    chat.from_app.first.locator("button:has(.lucide-copy)").click()
    expect(chat.from_app.first.locator(".lucide-check")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").strip() == said.strip()


@pytest.mark.full
def test_an_edited_question_takes_the_old_figures_along(page: Page, chat_address: str) -> None:
    chat = Chat(page, chat_address)
    chat.ask("What is the capital of France?")
    question = page.locator('[data-step-type="user_message"]')
    question.hover()
    question.locator(".edit-message").click()
    page.locator("#edit-chat-input").fill("What is the capital of Germany?")
    page.locator(".confirm-edit").click()
    expect(chat.from_app.last).to_contain_text("Berlin", timeout=ANSWER_MS)
    expect(chat.stop_button).to_have_count(0, timeout=ANSWER_MS)
    expect(chat.figures).to_have_count(1)


def test_a_place_in_the_line_and_an_error_with_the_next_step(
    page: Page, chat_address: str, screenshot: Screenshot, request: pytest.FixtureRequest
) -> None:
    chat = staged(page, chat_address)
    load_axe(page)
    place = page.locator(f'[data-step-type="{PLACE_KIND}"]')
    for event, text in (("new_message", "In line: **3 before you.**"), ("update_message", "You are next.")):
        chat.be_told(event, id="place", type=PLACE_KIND, output=text)
        expect(place).to_have_text(text.replace("*", ""))
    error = chat.hear(ERROR, isError=True)
    card = error.locator(".ai-message")
    expect(card).to_have_css("border-left-width", "4px")
    expect(card).to_contain_text(DOWN.what)
    name = paragraphs(card).last.locator(".italic")
    expect(name).to_have_text("(foundry-not-running)")
    assert size(name) < size(paragraphs(card).first)
    screenshot(page, f"place-and-error-{request.node.callspec.id}")
    assert too_faint(page) == []
    chat.be_told("delete_message", id="place", type=PLACE_KIND, output="")
    expect(place).to_have_count(0)
