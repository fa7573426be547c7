"""Small files that cost a reader much time or memory."""

from __future__ import annotations

import os
import zlib

from tests.files.material import a_pdf_of, a_zip

PARTS = "http://schemas.openxmlformats.org/package/2006"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def shared_stream_pdf(pages: int = 60, size: int = 4 << 20) -> bytes:
    """Make a PDF whose pages all draw the same long stream: some kilobytes, minutes of reading."""
    kids = b" ".join(b"%d 0 R" % (5 + number) for number in range(pages))
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>/Contents 4 0 R>>"
    tree = b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, kids)
    return _pdf(tree, _stream(_drawn(size)), *[page] * pages)


def repeated_form_pdf(times: int = 400, size: int = 1 << 20) -> bytes:
    """Make a PDF with one page that draws a long form again and again."""
    head = b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>>>"
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</XObject<</X 4 0 R>>>>/Contents 6 0 R>>"
    tree = b"<</Type/Pages/Count 1/Kids[5 0 R]>>"
    return _pdf(tree, _stream(_drawn(size), head), page, _stream(b"/X Do\n" * times))


def unnamed_part_docx(size: int = 60_000_000) -> bytes:
    """Make a Word document whose main part has no name of XML and is large when unpacked."""
    types = (
        f'<Types xmlns="{PARTS}/content-types"><Default Extension="bin" ContentType="application/octet-stream"/>'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.bin" ContentType="{MAIN}"/></Types>'
    )
    link = f'<Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="word/document.bin"/>'
    body = "<w:p/>" * (size // 6)
    return a_zip(
        {
            "[Content_Types].xml": types.encode(),
            "_rels/.rels": f'<Relationships xmlns="{PARTS}/relationships">{link}</Relationships>'.encode(),
            "word/document.bin": f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'.encode(),
            "pad.dat": os.urandom(size // 150),  # a compression that looks like a real file's
        }
    )


def open_paragraphs_html(size: int = 8 << 20) -> bytes:
    """Make an HTML page of elements that are never closed."""
    return b"<p>a" * (size // 4)


def _pdf(tree: bytes, *others: bytes) -> bytes:
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    return a_pdf_of([b"<</Type/Catalog/Pages 2 0 R>>", tree, font, *others])


def _stream(data: bytes, head: bytes = b"") -> bytes:
    packed = zlib.compress(data, 9)
    return b"<<%s/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (head, len(packed), packed)


def _drawn(size: int) -> bytes:
    word = b"[(A)-300(B)]TJ T*\n"
    return b"BT /F1 12 Tf\n" + word * (size // len(word)) + b"ET\n"
