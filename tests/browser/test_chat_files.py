"""Files in the chat, as a user attaches them: with the button, by dropping them, and wrong ones."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, Page, expect

from browser.chat_page import ANSWER_MS, Chat
from fakes import documents

Look = Callable[[str], None]

BIRDS: FilePayload = {
    "name": "birds.pdf",
    "mimeType": "application/pdf",
    "buffer": documents.pdf(["The bird in the garden is a kestrel.", "It was seen on Monday."]),
}
NOTES: FilePayload = {"name": "notes.md", "mimeType": "", "buffer": b"# Notes\n\nThe cat is called Luna.\n"}
BROKEN: FilePayload = {"name": "broken.docx", "mimeType": "", "buffer": b"PK\x03\x04 and nothing else"}
PROGRAM: FilePayload = {"name": "program.exe", "mimeType": "application/x-msdownload", "buffer": b"MZ"}

PICTURE: FilePayload = {"name": "picture.png", "mimeType": "image/png", "buffer": b"\x89PNG"}

# Chromium looks at the list before it opens anything. Without a window to open, the rest is of no interest.
WATCH_THE_PICKER = """() => {
  const ask = window.showOpenFilePicker.bind(window);
  window.showOpenFilePicker = (how) => {
    const asked = ask(how);
    const note = (word) => document.documentElement.setAttribute('data-picker', word);
    const first = Promise.race([asked, new Promise((later) => requestAnimationFrame(() => later()))]);
    first.then(() => note('asked'), (why) => note(why.name === 'TypeError' ? why.message : 'asked'));
    return asked;
  };
}"""
DROP = """([name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type }));
  const zone = document.getElementById('#upload-drop-input').parentElement;
  for (const kind of ['dragenter', 'dragover', 'drop'])
    zone.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def chat(page: Page, chat_address: str) -> Chat:
    return Chat(page, chat_address)


def test_a_file_is_attached_and_the_model_answers(chat: Chat, look: Look) -> None:
    chat.attach(BIRDS, NOTES)
    look("attached")
    answer = chat.send("Which bird is in the garden?")
    expect(chat.notices.last).to_contain_text("notes.md was given to the model.", timeout=ANSWER_MS)
    expect(answer).to_have_text(re.compile(r"\w+"), timeout=ANSWER_MS)
    expect(chat.stop_button).to_have_count(0, timeout=ANSWER_MS)
    look("answered")
    expect(chat.page.locator("a[download], iframe, embed")).to_have_count(0)  # what was read is offered no more
    assert chat.ask("And what is the cat called?")


def test_a_file_may_be_dropped_on_the_page(chat: Chat) -> None:
    text = base64.b64encode(b"The cat is called Luna.").decode()
    chat.page.evaluate(DROP, ["cat.txt", "text/plain", text])
    expect(chat.page.get_by_text("cat.txt")).to_be_visible()
    chat.ask("What is the cat called?")
    expect(chat.notices.last).to_contain_text("cat.txt was given to the model.")


def test_a_broken_file_is_named_and_the_chat_goes_on(chat: Chat, look: Look) -> None:
    chat.attach(BROKEN)
    error = chat.send("What is in it?")
    expect(error).to_contain_text("broken.docx can't be read: it is damaged", timeout=ANSWER_MS)
    look("broken")
    assert "Paris" in chat.ask("What is the capital of France?")


@pytest.mark.parametrize("file", [PROGRAM, PICTURE], ids=["program", "picture"])
def test_a_file_of_another_kind_is_refused_at_once(chat: Chat, look: Look, file: FilePayload) -> None:
    chat.choose(file)
    expect(chat.toast).to_be_visible()
    expect(chat.toast).to_contain_text(re.compile("can't be read|not allowed"))
    assert len(chat.toast.inner_text()) < 150
    look("refused")
    expect(chat.page.get_by_text(file["name"], exact=True)).to_have_count(0)


def test_a_file_that_is_too_large_is_refused_at_once(chat: Chat) -> None:
    chat.choose({"name": "large.txt", "mimeType": "text/plain", "buffer": b"a" * 10_500_000})
    expect(chat.toast).to_contain_text("larger than 10 MB")


def test_the_browsers_own_picker_takes_the_list_of_kinds(chat: Chat) -> None:
    """It refuses the whole list for one mistake in it, and then the button does nothing."""
    chat.page.evaluate(WATCH_THE_PICKER)
    chat.page.locator("#upload-button").click()
    expect(chat.page.locator("html")).to_have_attribute("data-picker", "asked")
