"""The text of a PDF, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from pypdf import PasswordType, PdfReader
from pypdf.errors import LimitReachedError

from chat.files.outcome import Unreadable, heavy

MARK = b"%PDF-"
MARK_WITHIN = 1024  # some programs put something before it


def is_pdf(data: bytes, *, by_its_name: bool) -> bool:
    """A text may speak of PDFs, too, so that its mark further on counts only in what is called one."""
    return data.startswith(MARK) or (by_its_name and MARK in data[:MARK_WITHIN])


def pages(data: bytes) -> Iterator[tuple[str, float]]:
    """Each page's text, and how much of the file that is, counted from the beginning.

    Raises:
        Unreadable: it has a password, no text, or is made to take for ever. Whatever else is raised: it is damaged.
    """
    reader = PdfReader(BytesIO(data))
    # Many have a password for changing them only, and an empty one for reading.
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise Unreadable("it is protected by a password", "Save a copy without the password and attach that.")
    of, found = len(reader.pages), False
    for number, page in enumerate(reader.pages, 1):
        try:
            text = page.extract_text().strip()
        except LimitReachedError as bomb:
            raise heavy("too much time or memory") from bomb
        found = found or bool(text)
        yield (f"{text}\n\n" if text else ""), number / of
    if not found:
        raise Unreadable(
            "there is no text in it, only pictures (a scan, perhaps)", "Attach its text: pictures are not read."
        )
