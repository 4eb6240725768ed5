"""The text of a Word document, paragraph by paragraph; a table row by row."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO

from docx import Document
from docx.table import Table

from chat.files.outcome import Unreadable, damaged, heavy

ZIP = b"PK\x03\x04"
OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Word before 2007, and newer documents with a password
LARGEST = 50_000_000
MOST_PARTS = 5_000


def is_zip(data: bytes) -> bool:
    return data.startswith(ZIP)


def is_old(data: bytes) -> bool:
    return data.startswith(OLD)


def paragraphs(data: bytes) -> Iterator[tuple[str, float]]:
    """Each paragraph's text, and about how much of the file that is, counted from the beginning.

    Raises:
        Unreadable: it is no Word document, unpacks to too much, or has no text. Whatever else is raised: it is damaged.
    """
    _check(data)
    blocks = list(Document(BytesIO(data)).iter_inner_content())
    found = False
    for number, block in enumerate(blocks, 1):
        text = _rows(block) if isinstance(block, Table) else block.text
        found = found or bool(text.strip())
        yield f"{text}\n", number / len(blocks)
    if not found:
        raise Unreadable("there is no text in it", "Attach its text: pictures are not read.")


def _check(data: bytes) -> None:
    """Before anything is unpacked: no part can unpack to more than the list of parts says."""
    try:
        parts = zipfile.ZipFile(BytesIO(data)).infolist()
    except (zipfile.BadZipFile, NotImplementedError) as broken:
        raise damaged("docx") from broken
    if "word/document.xml" not in {part.filename for part in parts}:
        raise Unreadable(
            "it is an archive (zip) and no Word document", "Unpack it and attach the files that are in it."
        )
    if sum(part.file_size for part in parts) > LARGEST or len(parts) > MOST_PARTS:
        raise heavy(f"too much memory (it unpacks to more than {LARGEST // 1_000_000} MB)")


def _rows(table: Table) -> str:
    return "\n".join(" | ".join(cell.text.strip().replace("\n", " ") for cell in row.cells) for row in table.rows)
