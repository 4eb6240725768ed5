"""Documents in Open WebUI as a user has them: attached on the page, asked about, and in what the model is told."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import FilePayload, Page, expect

from browser.open_webui_page import ANSWER_MS, OpenWebUI
from fakes import documents
from fakes.open_webui import Person
from fakes.whole_way import Witness
from fakes.witness import behind_the_relay
from stack.settings import load


@pytest.fixture
def foundry() -> Iterator[Witness]:
    """A stand-in for Foundry Local behind the running stack's relay, that keeps what it is asked."""
    with Witness() as witness, behind_the_relay(load(), witness.url):
        yield witness


def test_a_fact_in_a_document_of_each_kind_is_in_the_request(foundry: Witness, page: Page, somebody: Person) -> None:
    facts = [f"The code is kestrel-{secrets.token_hex(4)}." for _ in range(5)]
    text, notes, table, leaf, paper = facts
    files = {
        "a.txt": text.encode(),
        "b.md": f"# Notes\n\n{notes}\n".encode(),
        "c.csv": f"id,said\n1,{table}\n".encode(),
        "d.pdf": documents.pdf(["Something else.", leaf]),
        "e.docx": documents.docx(["Something else."], [["said", paper]]),
    }
    web = OpenWebUI(page, somebody)
    web.sign_in()
    web.attach([FilePayload(name=name, mimeType="", buffer=data) for name, data in files.items()])
    expect(web.send("What is the code?")).to_contain_text("Paris", timeout=ANSWER_MS)
    expect(web.regenerate_button).to_be_visible(timeout=ANSWER_MS)
    (asked,) = [each.json for each in foundry.requests if each.target == "/v1/chat/completions"]
    told = asked["messages"][-1]["content"]
    assert [each for each in facts if each not in told] == []
    assert "What is the code?" in told
