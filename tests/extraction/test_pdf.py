"""PDF: encrypted for nobody, damaged in part, forms, annotations, cut words, and limits that hold within a page."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, NullObject, NumberObject

from flask_assistant_stream.extraction.readers import pdf
from flask_assistant_stream.extraction.readers.base import Clock
from tests.extraction.reading import extracted, refusal, text_of
from tests.files.material import a_pdf, a_pdf_of

PAGES = a_pdf("one\ftwo\fthree")


def changed(data: bytes, change: Callable[[PdfWriter], Any]) -> bytes:
    writer, file = PdfWriter(clone_from=io.BytesIO(data)), io.BytesIO()
    change(writer)
    writer.write(file)
    return file.getvalue()


def names(**values: Any) -> DictionaryObject:
    return DictionaryObject({NameObject(f"/{name}"): value for name, value in values.items()})


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_a_pdf_that_opens_for_everybody_is_read(algorithm: str) -> None:
    def encrypt(user: str) -> bytes:
        return changed(a_pdf("Open."), lambda writer: writer.encrypt(user, "owner", algorithm=algorithm))

    assert text_of("a.pdf", encrypt("")).strip() == "Open."
    assert "encrypted" in refusal("a.pdf", encrypt("user"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda writer: writer.pages[1].update(names(Resources=NumberObject(5))),
        lambda writer: writer.pages[1].update(names(Contents=NumberObject(5))),
        lambda writer: writer.root_object["/Pages"]["/Kids"].__setitem__(1, NullObject()),
    ],
)
def test_a_damaged_page_is_missing_and_the_others_are_read(damage: Callable[[PdfWriter], Any]) -> None:
    result = extracted("a.pdf", changed(PAGES, damage))
    assert result.text.split() == ["one", "three"]
    assert "damaged and missing" in result.note


def test_damaged_commands_lose_their_page_only() -> None:
    result = extracted("a.pdf", PAGES.replace(b"(two) Tj T*", b"(two) Tj ))>>][ /x"))
    assert result.text.split() == ["one", "three"]
    assert result.note == "Page 2 is damaged and missing."


def test_words_cut_at_the_end_of_a_line_are_joined() -> None:
    assert "the information is" in text_of("a.pdf", a_pdf("the infor-\nmation is"))


def test_values_of_a_form_and_annotations_are_read() -> None:
    fields = (
        b"<</Subtype/Widget/FT/Tx/T(name)/TU(Your name)/V(\xc4nna)>>",
        b"<</Subtype/Widget/FT/Btn/T(agreed)/V/Yes>>",
        b"<</Subtype/Widget/FT/Btn/T(refused)/V/Off>>",
        b"<</Subtype/Widget/FT/Ch/T(colours)/V[(red)(blue)]>>",
    )
    notes = (b"<</Subtype/FreeText/Contents(written over it)>>", b"<</Subtype/Link/Contents(no text)>>")
    data = a_page(
        b"BT /F1 12 Tf (one) Tj ET",
        *fields,
        *notes,
        catalog=b"/AcroForm<</Fields[6 0 R 7 0 R 8 0 R 9 0 R]>>",
        page=b"/Annots[6 0 R 7 0 R 8 0 R 9 0 R 10 0 R 11 0 R]",
    )
    lines = text_of("a.pdf", data).split("\n")
    assert [line for line in lines if line] == [
        *("one", "written over it", "Your name: Änna", "agreed: Yes", "colours: red, blue"),
    ]


def test_what_is_attached_is_said_to_be_missing() -> None:
    result = extracted("a.pdf", changed(PAGES, lambda writer: writer.add_attachment("a.txt", b"more")))
    assert result.note == "Attached files are not read."


def test_a_page_of_pictures_is_mentioned() -> None:
    def scan(writer: PdfWriter) -> None:
        picture = names(XObject=names(Im1=names(Subtype=NameObject("/Image"))))
        writer.pages[1].update(names(Resources=picture))
        del writer.pages[1]["/Contents"]

    result = extracted("a.pdf", changed(PAGES, scan))
    assert result.text.split() == ["one", "three"]
    assert result.note == "Page 2 is without text. They may be scanned."


def a_form_drawn(times: int, commands: bytes) -> bytes:
    """Return a page that draws one form many times, and text behind it."""
    head = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F1 3 0 R>>>>/Length %d>>" % len(commands)
    form = b"%s\nstream\n%s\nendstream" % (head, commands)
    return a_page(b"/X Do\n" * times + b"BT /F1 12 Tf 1 0 0 1 0 -50 Tm (the end) Tj ET", form)


def a_page(commands: bytes, *objects: bytes, catalog: bytes = b"", page: bytes = b"") -> bytes:
    """Return a PDF with one page and more objects, the sixth and so on; the sixth is also its form /X."""
    resources = b"<</Font<</F1 3 0 R>>/XObject<</X 6 0 R>>>>"
    return a_pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
            b"<</Type/Pages/Kids[4 0 R]/Count 1>>",
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 5 0 R/Resources%s%s>>" % (resources, page),
            b"<</Length %d>>\nstream\n%s\nendstream" % (len(commands), commands),
            *objects,
        ]
    )


def test_forms_are_read() -> None:
    assert text_of("a.pdf", a_form_drawn(2, b"BT /F1 12 Tf (drawn) Tj ET")).split() == ["drawn", "drawn", "the", "end"]


def test_the_time_is_looked_at_within_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is over at its third look, in the middle of the first form; none of the other 999 is read."""
    looks = 0

    class Late(Clock):
        def is_over(self) -> bool:
            nonlocal looks
            looks += 1
            return looks > 2

    monkeypatch.setattr(pdf, "Clock", Late)
    data = a_form_drawn(1000, b"BT /F1 12 Tf ET " + b"0 0 m " * 1000)
    assert "takes too long to read: page 1 is missing" in refusal("a.pdf", data)
    assert looks == 3


def test_a_page_that_is_too_large_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MAX_PAGE_BYTES", 200)
    result = extracted("a.pdf", a_pdf("one\f" + "long line\n" * 50 + "\fthree"))
    assert result.text.split() == ["one", "three"]
    assert result.note == "Page 2 is too large to read."


def test_packed_commands_are_counted_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MAX_PAGE_BYTES", 10_000)
    packed = zlib.compress(b"0 0 m " * 10_000)
    source = b"<</Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream" % (len(packed), packed)
    drawn = a_pdf("x").partition(b"5 0 obj\n")[2].partition(b"\nendobj")[0]
    assert "too large" in refusal("a.pdf", a_pdf("x").replace(drawn, source))
