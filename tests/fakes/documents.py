"""Files as people attach them, and as people attack with them, written by hand: good ones, broken ones, bombs."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable
from xml.sax.saxutils import escape

from pypdf import PdfWriter

Parts = dict[str, bytes]
"""Of a docx: the name in the archive and what is there."""

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def pdf(pages: Iterable[str], *, extra: Iterable[bytes] = (), trailer: bytes = b"") -> bytes:
    """A PDF with a line of text on each page; an empty page shows a grey box, as a scan would a picture.

    Args:
        extra: more objects, numbered from 4 on.
        trailer: more for the trailer's dictionary.
    """
    more = list(extra)
    first = 4 + len(more)
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    objects += more
    kids = []
    for text in pages:
        number = first + 2 * len(kids)
        kids.append(b"%d 0 R" % number)
        drawn = f"BT /F1 12 Tf 72 720 Td ({_escaped(text)}) Tj ET" if text else "0.5 g 72 72 300 300 re f"
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (number + 1)
        )
        objects.append(_stream(drawn.encode("latin-1")))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    return _pdf_of(objects, trailer)


def bomb_pdf(megabytes: int) -> bytes:
    """A PDF whose one page unpacks to so much."""
    return _packed_pdf(b"BT /F1 12 Tf (A) Tj ET\n" + b" " * (megabytes * 1_000_000))


def circular_pdf() -> bytes:
    """A PDF whose tree of pages bites its own tail."""
    return _pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 2 /Kids [3 0 R] >>",
            b"<< /Type /Pages /Parent 2 0 R /Count 2 /Kids [2 0 R] >>",
        ]
    )


def deep_pdf(levels: int) -> bytes:
    """A PDF with arrays in arrays in arrays."""
    return pdf(["deep"], extra=[b"[" * levels + b"]" * levels], trailer=b"/Info 4 0 R /Deep " + b"[" * levels)


def slow_pdf(operators: int) -> bytes:
    """A PDF, small, whose one page takes for ever to go through."""
    return _packed_pdf(b"BT /F1 12 Tf\n" + b"1 0 0 1 9 9 Tm (a) Tj\n" * operators + b"ET")


def locked_pdf(password: str) -> bytes:
    """A PDF that wants a password to be read; an empty one: only for being changed."""
    writer = PdfWriter(clone_from=io.BytesIO(pdf(["The code is KESTREL."])))
    writer.encrypt(password, owner_password="of-its-owner", algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def docx(paragraphs: Iterable[str], table: Iterable[Iterable[str]] = ()) -> bytes:
    """A Word document: paragraphs, then a table."""
    return zipped(docx_parts(paragraphs, table))


def docx_parts(paragraphs: Iterable[str], table: Iterable[Iterable[str]] = ()) -> Parts:
    """What such a document is made of, to be spoilt before it is zipped."""
    rows = "".join(f"<w:tr>{''.join(f'<w:tc>{_paragraph(cell)}</w:tc>' for cell in row)}</w:tr>" for row in table)
    body = "".join(map(_paragraph, paragraphs)) + (f"<w:tbl>{rows}</w:tbl>" if rows else "")
    types = (
        f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
        f'PartName="/word/document.xml" ContentType="{MAIN}"/></Types>'
    )
    relations = (
        f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>'
    )
    return {
        "[Content_Types].xml": types.encode(),
        "_rels/.rels": relations.encode(),
        "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'.encode(),
    }


def zipped(parts: Parts) -> bytes:
    """An archive of these."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def bomb_docx(megabytes: int) -> bytes:
    """A Word document that unpacks to so much."""
    parts = docx_parts(["boom"])
    parts["word/document.xml"] = parts["word/document.xml"].replace(b"boom", b"A" * (megabytes * 1_000_000))
    return zipped(parts)


def docx_of_levels(levels: int) -> bytes:
    """A Word document whose text is in a box in a box in a box..."""
    parts = docx_parts(["deep"])
    opened, closed = "<w:sdt><w:sdtContent>" * levels, "</w:sdtContent></w:sdt>" * levels
    parts["word/document.xml"] = (
        f'<w:document xmlns:w="{WORD}"><w:body>{opened}{_paragraph("deep")}{closed}</w:body></w:document>'.encode()
    )
    return zipped(parts)


def laughing_docx() -> bytes:
    """A Word document whose one word is made of ten, each of ten, each of ten..."""
    parts = docx_parts(["&l9;"])
    entities = '<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    parts["word/document.xml"] = f"<!DOCTYPE d [{entities}]>".encode() + parts["word/document.xml"].replace(
        b"&amp;l9;", b"&l9;"
    )
    return zipped(parts)


def prying_docx(address: str) -> bytes:
    """A Word document that wants to show what is somewhere else."""
    parts = docx_parts(["&there;"])
    asks = f'<!DOCTYPE d [<!ENTITY there SYSTEM "{address}">]>'.encode()
    parts["word/document.xml"] = asks + parts["word/document.xml"].replace(b"&amp;there;", b"&there;")
    return zipped(parts)


def _packed_pdf(drawn: bytes) -> bytes:
    content = zlib.compress(drawn, 9)
    return _pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 5 0 R >> >> "
            b"/Contents 4 0 R >>",
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(content), content),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
    )


def _paragraph(text: str) -> str:
    return f'<w:p><w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)


def _pdf_of(objects: list[bytes], trailer: bytes = b"") -> bytes:
    written, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    end += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        trailer,
        len(written),
    )
    return written + end
