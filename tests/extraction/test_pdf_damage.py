"""Small damage in a PDF does not cost a page; a note names text that cannot be known."""

from __future__ import annotations

import pytest

from tests.extraction.reading import extracted, text_of
from tests.files.material import a_pdf_of

HELVETICA = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
NUMBERED = (
    b"<< /Type /Font /Subtype /Type0 /BaseFont /A /Encoding /Identity-H %s /DescendantFonts [<< /Type /Font"
    b" /Subtype /CIDFontType2 /BaseFont /A /CIDSystemInfo << /Registry (Adobe) /Ordering (%s) /Supplement 0 >> >>] >>"
)


def a_page(*, count: bytes = b"1", more: bytes = b"", font: bytes = HELVETICA) -> bytes:
    drawn = b"BT /F1 11 Tf 50 790 Td (some words) Tj ET"
    return a_pdf_of(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [4 0 R] /Count %s >>" % count,
            font,
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> %s >>" % more,
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawn), drawn),
            b"1",
        ]
    )


@pytest.mark.parametrize("more", [b"/Annots [null 99 0 R 6 0 R]", b"/Annots 7", b"/Annots [(text)]"])
def test_a_page_with_damaged_annotations_is_read(more: bytes) -> None:
    assert text_of("a.pdf", a_page(more=more)).strip() == "some words"


@pytest.mark.parametrize("count", [b"6 0 R", b"(one)"])
def test_an_unusual_count_of_pages_is_no_damage(count: bytes) -> None:
    assert text_of("a.pdf", a_page(count=count)).strip() == "some words"


@pytest.mark.parametrize(
    ("map", "ordering", "note"),
    [
        (b"", b"Identity", "Page 1 is uncertain: a font does not say its characters."),
        (b"", b"Japan1", ""),
        (b"/ToUnicode /Identity-H", b"Identity", ""),
        (b"/DescendantFonts 9", b"Identity", ""),
    ],
)
def test_a_font_without_characters_has_a_note(map: bytes, ordering: bytes, note: str) -> None:
    assert extracted("a.pdf", a_page(font=NUMBERED % (map, ordering))).note == note
