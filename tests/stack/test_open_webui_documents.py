"""Documents in Open WebUI: what becomes of those that were made to break a reader, in the image that is shipped."""

from __future__ import annotations

from typing import Any

import pytest

from fakes import documents
from fakes.open_webui import Person, administrator, second_person
from stack.settings import Settings


@pytest.fixture(scope="module")
def somebody(settings: Settings) -> Any:
    with second_person(administrator(settings)) as person:
        yield person


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.pdf", documents.pdf(["Something else.", "The code is kestrel."]), "The code is kestrel."),
        ("b.docx", documents.docx(["Something else."], [["said", "kestrel"]]), "said | kestrel"),
        ("c.md", b"# Notes\n\nThe code is kestrel.\n", "# Notes\n\nThe code is kestrel.\n"),
    ],
    ids=["pdf", "docx", "md"],
)
def test_its_text_is_what_the_model_will_get(somebody: Person, name: str, data: bytes, text: str) -> None:
    found = somebody.upload(name, data)
    assert found["data"]["status"] == "completed", found["data"]
    assert text in found["data"]["content"]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("bomb.pdf", documents.bomb_pdf(300), "reading it takes too much"),
        ("bomb.docx", documents.bomb_docx(60), "unpacks to more than"),
        ("cut.pdf", documents.pdf(["One."])[:60], "it is damaged"),
        ("table.xlsx", documents.zipped({"xl/workbook.xml": b"<x/>"}), "external document extractor"),  # its own words
    ],
    ids=["bomb.pdf", "bomb.docx", "cut.pdf", "table.xlsx"],
)
def test_one_that_can_not_be_read_is_told_and_hurts_nobody(somebody: Person, name: str, data: bytes, why: str) -> None:
    found = somebody.upload(name, data)
    assert found["data"]["status"] == "failed"
    assert why in found["data"]["error"]
    assert somebody.models()
