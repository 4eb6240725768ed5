"""What Open WebUI is taught to read: PDF and Word documents, by the chat's reader; nothing else of it changes."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import documents as taught
from chat.files import worker
from fakes import documents
from stack.settings import ROOT
from stack.tools.process import run

SERVICES = ROOT / "services"


@dataclass
class Document:
    """As LangChain's."""

    page_content: str
    metadata: dict[str, str]


@dataclass
class Loader:
    """As Open WebUI's: `engine` is the external reader that an administrator has chosen."""

    engine: str = ""

    async def aload(self, filename: str, file_content_type: str, file_path: str) -> list[Any]:
        return [f"{filename} read as before"]


async def read(name: str, path: Path, engine: str = "") -> list[Any]:
    aload = taught.reading_documents(Loader.aload, Document)
    return list(await aload(Loader(engine), name, "application/octet-stream", str(path)))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", documents.pdf(["One.", "The code is kestrel."])),
        ("A.PDF", documents.pdf(["The code is kestrel."])),
        ("b.docx", documents.docx(["One."], [["said", "The code is kestrel."]])),
    ],
    ids=["a.pdf", "A.PDF", "b.docx"],
)
async def test_a_document_is_read(tmp_path: Path, name: str, data: bytes) -> None:
    (file := tmp_path / "0c1d_of_open_webui").write_bytes(data)
    (found,) = await read(name, file)
    assert "The code is kestrel." in found.page_content
    assert found.metadata == {"source": str(file)}


async def test_a_long_document_is_read_to_its_end(tmp_path: Path) -> None:
    (file := tmp_path / "long").write_bytes(documents.docx([*["Nothing to be seen here."] * 4000, "The end."]))
    (found,) = await read("long.docx", file)
    assert found.page_content.endswith("The end.")
    assert found.page_content.count("Nothing") == 4000


@pytest.mark.parametrize("name", ["a.txt", "a", "a.csv", "a.pdf.html", "a.xlsx"])
async def test_any_other_file_is_read_as_before(tmp_path: Path, name: str) -> None:
    assert await read(name, tmp_path / "none") == [f"{name} read as before"]


async def test_an_external_reader_comes_before(tmp_path: Path) -> None:
    assert await read("a.pdf", tmp_path / "none", engine="tika") == ["a.pdf read as before"]


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("bomb.pdf", documents.bomb_pdf(300), "reading it takes too much"),
        ("bomb.docx", documents.bomb_docx(60), "unpacks to more than"),
        ("cut.pdf", documents.pdf(["One."])[:60], "it is damaged"),
        ("scan.pdf", documents.pdf([""]), "there is no text in it"),
    ],
    ids=["bomb.pdf", "bomb.docx", "cut.pdf", "scan.pdf"],
)
async def test_what_can_not_be_read_is_told_with_the_next_step(
    tmp_path: Path, name: str, data: bytes, why: str
) -> None:
    (file := tmp_path / "file").write_bytes(data)
    with pytest.raises(ValueError, match=rf"^The file can't be read: .*{why}.*\. [A-Z].*\.$") as told:
        await read(name, file)
    assert name not in str(told.value), "it is logged"


def test_the_image_has_all_that_the_reader_needs(tmp_path: Path) -> None:
    """It runs from nothing but the modules that the image is built with."""
    listed = (SERVICES / "open-webui/Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n!")
    for name in (each.strip() for each in listed if each.startswith("chainlit/")):
        (target := tmp_path / Path(name).relative_to("chainlit")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SERVICES / name, target)
    (file := tmp_path / "file").write_bytes(documents.docx(["The code is kestrel."]))
    argv = [sys.executable, "-B", "-c", "from chat.files import reader"]
    assert run(argv, cwd=tmp_path, env={"PYTHONPATH": ""}).code == 0
    done = run([sys.executable, "-B", "-m", worker.__name__, str(file), "docx", "1000"], cwd=tmp_path)
    assert json.loads(done.out)["text"] == "The code is kestrel."


def test_it_reads_with_the_chats_own_versions() -> None:
    def locked(service: str) -> dict[str, str]:
        lock = (SERVICES / service / "requirements.lock").read_text(encoding="utf-8")
        return dict(re.findall(r"^(pypdf|python-docx)==(\S+)", lock, re.MULTILINE))

    assert set(locked("chainlit")) == {"pypdf", "python-docx"}
    assert locked("open-webui") == locked("chainlit")
