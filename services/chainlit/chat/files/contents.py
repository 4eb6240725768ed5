"""What a file really is, and the text in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chat.files import docx, pdf, plain
from chat.files.kinds import READABLE
from chat.files.outcome import Contents, Unreadable, damaged

# What no reader sees: control characters (but tab and new line), marks of the byte order, places for private letters.
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ue000-\uf8ff]")


def read(data: bytes, ending: str, limit: int) -> Contents:
    """The beginning of the text in a file, of at most so many characters.

    Args:
        ending: of its name, such as ``pdf``.

    Raises:
        Unreadable: it is empty, damaged, protected, without text, or nothing that can be read.
    """
    if not data.strip(b"\0 \t\r\n"):
        raise Unreadable("it is empty", "Attach it again when there is something in it.")
    if pdf.is_pdf(data, by_its_name=ending == "pdf"):
        return _beginning(pdf.pages(data), limit, "PDF")
    if docx.is_zip(data):
        return _beginning(docx.paragraphs(data), limit, "docx")
    if docx.is_old(data):
        raise Unreadable(
            "it is of an old kind of Word file (doc), or protected by a password",
            "Save a copy as docx, without a password, and attach that.",
        )
    if ending in ("pdf", "docx"):
        raise damaged("PDF" if ending == "pdf" else "docx")
    decoded = plain.decode(data)
    if decoded is None:
        raise Unreadable("it is no text", f"{READABLE}; save it as one of these.")
    text = clean(decoded.text)
    if not text.strip():
        raise Unreadable("there is no text in it", "Attach it again when there is something in it.")
    return Contents(text[:limit], min(1.0, limit / len(text)), decoded.guess)


def clean(text: str) -> str:
    """Without what can't be sent (halves of letters) or seen; lines end one way."""
    return UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n").encode(errors="replace").decode())


def _beginning(pieces: Iterator[tuple[str, float]], limit: int, kind: str) -> Contents:
    text, share = "", 0.0
    try:
        for piece, so_far in pieces:
            more = clean(piece)
            if len(text) + len(more) > limit:
                fits = (limit - len(text)) / len(more)
                return Contents((text + more)[:limit].strip(), share + (so_far - share) * fits)
            text, share = text + more, so_far
    except (Unreadable, MemoryError):
        raise
    except Exception as broken:  # these libraries raise anything on what was made to break them
        raise damaged(kind) from broken
    return Contents(text.strip())
