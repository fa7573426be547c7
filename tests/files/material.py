"""Small real files for tests, with a text that the test chooses."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence

from docx import Document

HEADED = {"#": "Heading 1", "##": "Heading 2"}


def a_pdf(text: str) -> bytes:
    """Make a PDF in Helvetica: a line for each line of `text`, a page for each form feed; Windows-1252 only."""
    pages = text.split("\f")
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, page in enumerate(pages):
        drawn = _drawn(page.splitlines())
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % (5 + 2 * number)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn))
    return a_pdf_of(objects)


def _drawn(lines: Iterable[str]) -> bytes:
    """Return the drawing commands that write lines below each other."""
    shown = []
    for line in lines:
        data = line.encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
        shown.append(b"(%s) Tj T*" % data)
    return b"BT /F1 11 Tf 14 TL 50 790 Td\n" + b"\n".join(shown) + b"\nET"


def a_pdf_of(objects: list[bytes]) -> bytes:
    """Return a PDF of numbered objects, with its cross-reference table."""
    pdf, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(pdf)
    pdf += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    pdf += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    pdf += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(pdf)


def a_docx(paragraphs: Iterable[str | Sequence[Sequence[str]]]) -> bytes:
    """Make a Word document of paragraphs; `# …` and `## …` are headings, a list of rows is a table."""
    document = Document()
    for paragraph in paragraphs:
        if isinstance(paragraph, str):
            mark, _, rest = paragraph.partition(" ")
            document.add_paragraph(rest if mark in HEADED else paragraph, style=HEADED.get(mark))
            continue
        table = document.add_table(rows=len(paragraph), cols=len(paragraph[0]))
        for row, texts in zip(table.rows, paragraph, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def a_html(title: str, *paragraphs: str) -> bytes:
    """Make an HTML page with a heading; paragraphs are markup."""
    body = "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return f"<!doctype html><meta charset=utf-8><title>{title}</title><h1>{title}</h1>\n{body}\n".encode()


def a_zip(parts: dict[str, bytes]) -> bytes:
    """Make a zip file of parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in parts.items():
            packed.writestr(name, data)
    return file.getvalue()


def another_docx(docx: bytes, part: str, data: bytes) -> bytes:
    """Return a Word document with one part replaced or added."""
    with zipfile.ZipFile(io.BytesIO(docx)) as packed:
        return a_zip({**{name: packed.read(name) for name in packed.namelist()}, part: data})
